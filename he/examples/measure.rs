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

/// Seconds of the fastest of `times` runs.
fn fastest<T>(times: usize, mut run: impl FnMut() -> T) -> f64 {
    let seconds = (0..times).map(|_| {
        let start = Instant::now();
        std::hint::black_box(run());
        start.elapsed().as_secs_f64()
    });
    seconds.fold(f64::INFINITY, f64::min)
}

fn measure() -> Result<()> {
    tacit_he::fix_transform();
    let config = ConfigBuilder::with_custom_parameters(COMPUTE)
        .use_dedicated_compact_public_key_parameters((ENCRYPT, CAST))
        .enable_noise_squashing(SQUASH)
        .build();
    let start = Instant::now();
    let client = ClientKey::generate(config);
    println!("secret keys                    {:>9.3} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let compressed = CompressedServerKey::new(&client);
    println!("evaluation keys, compressed    {:>9.3} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let server = compressed.decompress();
    println!("evaluation keys, expanded      {:>9.3} s", start.elapsed().as_secs_f64());
    let public = CompressedCompactPublicKey::new(&client);
    for messages in [64, 256, 1024] {
        let start = Instant::now();
        let crs = CompactPkeCrs::from_shortint_params(ENCRYPT, LweCiphertextCount(messages))?;
        println!(
            "reference string, {messages:>4} packed  {:>9.3} s {:>12} B",
            start.elapsed().as_secs_f64(),
            safe_serialized_size(&crs)?
        );
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
        let runs: Vec<String> = (0..6).map(|_| run()).collect::<Result<_>>()?;
        let equal = runs.iter().all(|run| run == &runs[0]);
        println!(
            "six processes, plan {plan}: {}",
            if equal { "equal to the bit" } else { "differ" }
        );
        runs.iter().for_each(|run| print!("  {run}"));
    }
    Ok(())
}

fn timings(key: &ServerKey, squash: &NoiseSquashingKey, inputs: &[RadixCiphertext]) -> Result<()> {
    let sum = key.sum_ciphertexts_parallelized(inputs).ok_or("no inputs")?;
    let blocks = sum.blocks().len().div_ceil(2) as f64;
    let seconds = fastest(5, || squash.squash_radix_ciphertext_noise(key, &sum));
    println!(
        "squashing, {blocks} packed blocks    {seconds:>9.3} s, {:.3} s a block",
        seconds / blocks
    );
    let one = key.scalar_lt_parallelized(&sum, 11u64);
    let seconds = fastest(5, || squash.squash_boolean_block_noise(key, &one));
    println!("squashing, one thread, a block {seconds:>9.3} s");
    let seconds = fastest(5, || key.sum_ciphertexts_parallelized(inputs));
    println!("sum of three, 24 bits          {seconds:>9.3} s");
    let seconds = fastest(5, || key.scalar_lt_parallelized(&sum, 11u64));
    println!("compare with 11, 24 bits       {seconds:>9.3} s");
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
        Sha256::digest(bytes)[..6].iter().map(|byte| format!("{byte:02x}")).collect()
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
