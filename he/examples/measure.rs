//! First measurements: time of noise squashing, equality to the bit of two processes, sizes of keys.
//!
//! `measure` prints all of them; `measure hashes DIR free|fixed` is what it starts twice.

use std::{
    env,
    error::Error,
    fs,
    io::{BufReader, BufWriter},
    path::Path,
    process::Command,
    time::Instant,
};

use sha2::{Digest, Sha256};
use tfhe::{
    ClientKey, CompressedCompactPublicKey, CompressedServerKey, ConfigBuilder,
    core_crypto::prelude::LweCiphertextCount,
    integer::{IntegerCiphertext, RadixCiphertext, ServerKey, noise_squashing::NoiseSquashingKey},
    safe_serialization::{safe_deserialize, safe_serialize, safe_serialized_size},
    shortint::parameters::v1_8::{
        classic::tuniform::p_fail_2_minus_128::ks_pbs::V1_8_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128 as COMPUTE,
        compact_public_key_only::p_fail_2_minus_128::ks_pbs::V1_8_PARAM_PKE_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128 as ENCRYPT,
        key_switching::p_fail_2_minus_128::ks_pbs::V1_8_PARAM_KEYSWITCH_PKE_TO_SMALL_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128 as CAST,
        noise_squashing::p_fail_2_minus_128::V1_8_NOISE_SQUASHING_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128 as SQUASH,
    },
    zk::CompactPkeCrs,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["hashes", dir, plan] => hashes(Path::new(dir), plan == "fixed"),
        _ => measure(),
    }
}

/// Seconds on the clock and seconds of processor time of all threads, each the least of `times` runs.
/// The second is what can be compared where others use the same cores.
fn fastest<T>(times: usize, mut run: impl FnMut() -> T) -> (f64, f64) {
    let seconds = (0..times).map(|_| {
        let (start, cpu) = (Instant::now(), processor());
        std::hint::black_box(run());
        (start.elapsed().as_secs_f64(), processor() - cpu)
    });
    seconds.fold((f64::INFINITY, f64::INFINITY), |least, s| (least.0.min(s.0), least.1.min(s.1)))
}

/// Processor seconds of all living threads, where the system tells.
fn processor() -> f64 {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let spent = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    spent.sum::<f64>() / 1e9
}

/// Prints what one call took.
fn once<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let (start, cpu) = (Instant::now(), processor());
    let made = run();
    let (wall, cpu) = (start.elapsed().as_secs_f64(), processor() - cpu);
    println!("{what:<32}{wall:>9.3} s{cpu:>9.3} s processor");
    made
}

fn measure() -> Result<()> {
    tacit_he::fix_transform();
    let config = ConfigBuilder::with_custom_parameters(COMPUTE)
        .use_dedicated_compact_public_key_parameters((ENCRYPT, CAST))
        .enable_noise_squashing(SQUASH)
        .build();
    let client = once("secret keys", || ClientKey::generate(config));
    let compressed = once("evaluation keys, compressed", || CompressedServerKey::new(&client));
    let server = once("evaluation keys, expanded", || compressed.decompress());
    let public = CompressedCompactPublicKey::new(&client);
    for messages in [64, 256, 1024] {
        let crs = once(&format!("reference string, {messages} packed"), || {
            CompactPkeCrs::from_shortint_params(ENCRYPT, LweCiphertextCount(messages))
        })?;
        println!("  its size                      {:>12} B", safe_serialized_size(&crs)?);
    }

    let (key, cast, _, _, squash, ..) = server.clone().into_raw_parts();
    let squash = squash.ok_or("no squashing key")?;
    let (small, small_cast, _, _, small_squash, ..) = compressed.clone().into_raw_parts();
    println!("all evaluation keys, compressed {:>12} B", safe_serialized_size(&compressed)?);
    println!("all evaluation keys, expanded   {:>12} B", safe_serialized_size(&server)?);
    println!(
        "  of it squashing, compressed   {:>12} B",
        safe_serialized_size(&small_squash.ok_or("no key")?)?
    );
    println!("  of it squashing, expanded     {:>12} B", safe_serialized_size(&squash)?);
    drop((small, small_cast, cast));
    println!("compact public key, compressed  {:>12} B", safe_serialized_size(&public)?);
    println!(
        "compact public key, expanded    {:>12} B",
        safe_serialized_size(&public.decompress())?
    );
    let share = SQUASH.glwe_dimension().0 * SQUASH.polynomial_size().0 * 16;
    println!("share of the decryption key     {share:>12} B");

    let dir = tempfile::tempdir()?;
    let (client_key, ..) = client.into_raw_parts();
    let inputs: Vec<RadixCiphertext> =
        [123_456_u64, 7_654_321, 99].map(|x| client_key.encrypt_radix(x, 12)).into();
    timings(&key, &squash, &inputs)?;

    store(dir.path(), "server", &server)?;
    fs::write(dir.path().join("inputs"), postcard::to_stdvec(&inputs)?)?;
    for plan in ["free", "fixed"] {
        let run = || -> Result<String> {
            let output = Command::new(env::current_exe()?)
                .args(["hashes", dir.path().to_str().ok_or("path")?, plan])
                .output()?;
            Ok(String::from_utf8(output.stdout)?)
        };
        let runs: Vec<String> = (0..4).map(|_| run()).collect::<Result<_>>()?;
        let equal = runs.iter().all(|run| run == &runs[0]);
        println!(
            "four processes, plan {plan}: {}",
            if equal { "equal to the bit" } else { "differ" }
        );
        for run in &runs {
            print!("  {run}");
        }
    }
    Ok(())
}

fn timings(key: &ServerKey, squash: &NoiseSquashingKey, inputs: &[RadixCiphertext]) -> Result<()> {
    let sum = key.sum_ciphertexts_parallelized(inputs).ok_or("no inputs")?;
    let blocks = sum.blocks().len().div_ceil(2) as f64;
    let print = |what: &str, (wall, cpu): (f64, f64)| {
        println!("{what:<32}{wall:>9.3} s{cpu:>9.3} s processor");
    };
    let (wall, cpu) = fastest(5, || squash.squash_radix_ciphertext_noise(key, &sum));
    print(&format!("squashing, {blocks} packed blocks"), (wall, cpu));
    print("  a block", (wall / blocks, cpu / blocks));
    let one = key.scalar_lt_parallelized(&sum, 11u64);
    print("squashing, a block alone", fastest(5, || squash.squash_boolean_block_noise(key, &one)));
    print("sum of three, 24 bits", fastest(5, || key.sum_ciphertexts_parallelized(inputs)));
    print("compare with 11, 24 bits", fastest(5, || key.scalar_lt_parallelized(&sum, 11u64)));
    let table = key.as_ref().generate_lookup_table(|x| x & 1);
    let block = &sum.blocks()[0];
    print("lookup, a block", fastest(9, || key.as_ref().apply_lookup_table(block, &table)));
    Ok(())
}

/// Stores a key for the processes to come.
fn store<T>(dir: &Path, name: &str, object: &T) -> Result<()>
where
    T: serde::Serialize + tfhe::Versionize + tfhe::named::Named,
{
    safe_serialize(object, BufWriter::new(fs::File::create(dir.join(name))?), 1 << 32)?;
    Ok(())
}

/// Prints a hash of what a series of operations makes of the stored ciphertexts.
fn hashes(dir: &Path, fixed: bool) -> Result<()> {
    if fixed {
        tacit_he::fix_transform();
    }
    let server: tfhe::ServerKey =
        safe_deserialize(BufReader::new(fs::File::open(dir.join("server"))?), 1 << 32)?;
    let inputs: Vec<RadixCiphertext> = postcard::from_bytes(&fs::read(dir.join("inputs"))?)?;
    let (key, _, _, _, squash, ..) = server.into_raw_parts();
    let squash = squash.ok_or("no squashing key")?;
    let sum = key.sum_ciphertexts_parallelized(&inputs).ok_or("no inputs")?;
    let product = key.mul_parallelized(&sum, &inputs[2]);
    let less = key.scalar_lt_parallelized(&product, 11u64);
    let squashed = squash.squash_radix_ciphertext_noise(&key, &product)?;
    let flag = squash.squash_boolean_block_noise(&key, &less)?;
    let hash = |bytes: Vec<u8>| -> String {
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        let first = digest.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
        format!("{first:016x}")
    };
    println!(
        "sum {} product {} compare {} squashed {} {}",
        hash(postcard::to_stdvec(&sum)?),
        hash(postcard::to_stdvec(&product)?),
        hash(postcard::to_stdvec(&less)?),
        hash(postcard::to_stdvec(&squashed)?),
        hash(postcard::to_stdvec(&flag)?),
    );
    Ok(())
}
