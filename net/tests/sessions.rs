//! Sessions over the real transports on loopback.

mod common;

use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{ANY, World, all_to_all, key, options, others, over_both, until_error};
use tacit_net::mesh::{Endpoint, MeshLink, Options, Transport};
use tacit_net::{Counted, Cut, Error, Fault, Link, Round, Tampered};

fn rounds_of_every_length_arrive_whole(over: Transport) {
    let world = World::new(over, 3, 1);
    world.run(1, |link| {
        let mut link = Counted::new(link);
        let lengths = [0, 1, 100, 65_536, 65_537, 3_000_000, 9_000_001, 0, 7];
        for length in lengths {
            let frames = all_to_all(&mut link, length).unwrap();
            for (peer, frame) in others(&link).into_iter().zip(frames) {
                assert_eq!(frame.len(), length);
                assert!(frame.iter().all(|&byte| usize::from(byte) == peer));
            }
        }
        let total = 3 * lengths.iter().sum::<usize>() as u64;
        assert_eq!((link.ledger().sent(), link.ledger().received()), (total, total));
    });
}

fn a_party_may_run_ahead_and_leave_before_its_frames_are_asked_for(over: Transport) {
    let world = World::new(over, 2, 0);
    world.run(1, |mut link| {
        if link.me() == 0 {
            for length in [10, 200_000, 1, 2, 3, 4, 5, 6, 5_000_000, 8] {
                let frame = Bytes::from(vec![1; length]);
                link.exchange(Round { send: vec![(1, frame)], expect: vec![] }).unwrap();
            }
        } else {
            thread::sleep(Duration::from_millis(300));
            for length in [10, 200_000, 1, 2, 3, 4, 5, 6, 5_000_000, 8] {
                link.exchange(Round { send: vec![], expect: vec![(0, length)] }).unwrap();
            }
            let round = Round { send: vec![], expect: vec![(0, 1)] };
            let error = link.exchange(round).unwrap_err();
            assert!(matches!(error, Error::Lost { peer: 0, .. }), "{error}");
        }
    });
}

fn the_last_frame_arrives_though_the_whole_endpoint_is_dropped_after_it(over: Transport) {
    let World { over, mut endpoints, peers } = World::new(over, 2, 0);
    let world = World { over, endpoints: vec![endpoints[0].clone(), endpoints[1].clone()], peers };
    let (options0, options1) = (world.session(0, 1), world.session(1, 1));
    drop(world);
    let one = endpoints.pop().unwrap();
    let zero = endpoints.pop().unwrap();
    let sender = thread::spawn(move || {
        let mut link = one.link(options1).unwrap();
        drop(one);
        let frame = Bytes::from(vec![7; 3_000_000]);
        link.exchange(Round { send: vec![(0, frame)], expect: vec![] }).unwrap();
    });
    let mut link = zero.link(options0).unwrap();
    let frames = link.exchange(Round { send: vec![], expect: vec![(1, 3_000_000)] }).unwrap();
    assert!(frames[0].iter().all(|&byte| byte == 7));
    sender.join().unwrap();
}

fn hellos_are_exchanged_before_the_first_round(over: Transport) {
    let world = World::new(over, 3, 0);
    world.run(1, |mut link| {
        let me = link.me();
        let hellos = link.hello(&vec![me as u8; me * 30_000], Duration::from_secs(5)).unwrap();
        for (peer, hello) in hellos.into_iter().enumerate() {
            let expected = (peer != me).then(|| Bytes::from(vec![peer as u8; peer * 30_000]));
            assert_eq!(hello, expected);
        }
        all_to_all(&mut link, 10).unwrap();
        assert!(matches!(link.hello(&vec![0; 65_537], Duration::ZERO), Err(Error::Setup(_))));
    });
}

fn a_hello_in_the_place_of_a_round_is_refused(over: Transport) {
    let world = World::new(over, 2, 0);
    world.run(1, |mut link| {
        let error = if link.me() == 0 {
            link.hello(b"hello", Duration::from_secs(5)).unwrap_err()
        } else {
            all_to_all(&mut link, 5).unwrap_err()
        };
        assert!(matches!(error, Error::Frame { .. } | Error::Aborted { .. }), "{error}");
    });
}

fn seeds_agree_and_are_bound_to_pair_session_and_epoch(over: Transport) {
    let world = World::new(over, 3, 0);
    let seeds = |session: u8, epoch: u64| -> Vec<Vec<[u8; 32]>> {
        thread::scope(|scope| {
            let world = &world;
            let party = |me| {
                let mut options = world.session(me, session);
                options.epoch = epoch;
                let mut link = world.endpoints[me].link(options).unwrap();
                let seeds = others(&link).into_iter().map(|p| link.seed(p).unwrap().0).collect();
                all_to_all(&mut link, 1).unwrap();
                seeds
            };
            let handles: Vec<_> = (0..3).map(|me| scope.spawn(move || party(me))).collect();
            handles.into_iter().map(|handle| handle.join().unwrap()).collect()
        })
    };
    let mut all = Vec::new();
    for (session, epoch) in [(1, 0), (1, 1), (2, 0), (1, 0)] {
        let s = seeds(session, epoch);
        assert_eq!((s[0][0], s[0][1], s[1][1]), (s[1][0], s[2][0], s[2][1]));
        all.extend([s[0][0], s[0][1], s[1][1]]);
    }
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}

fn a_frame_of_another_length_is_refused(over: Transport) {
    for wrong in [0, 99, 101, 5_000_000] {
        let world = World::new(over, 2, 0);
        let errors = world.run(1, |link| {
            let liar = link.me() == 1;
            let mut link = Tampered::new(link, move |round, _, frame| {
                if liar && round == 2 {
                    frame.resize(wrong, 0);
                }
            });
            until_error(&mut link)
        });
        assert!(matches!(errors[0], Error::Frame { peer: 1, .. }), "{}", errors[0]);
        assert_eq!(errors[1].culprit(), Some(1), "{}", errors[1]);
    }
}

fn a_party_that_leaves_is_named_by_all_others(over: Transport) {
    for at in [0, 3] {
        let world = World::new(over, 4, 1);
        let errors = world.run(1, |link| {
            if link.me() == 2 {
                return until_error(&mut Cut::new(link, at));
            }
            let mut link = link;
            until_error(&mut link)
        });
        for (me, error) in errors.iter().enumerate().filter(|(me, _)| *me != 2) {
            assert_eq!(error.culprit(), Some(2), "party {me}: {error}");
        }
    }
}

fn a_party_that_goes_silent_is_named_by_all_others(over: Transport) {
    let world = World::new(over, 3, 0);
    let start = Instant::now();
    let errors = world.run(1, |mut link| {
        link.set_deadline(Duration::from_millis(400));
        all_to_all(&mut link, 10).unwrap();
        if link.me() == 1 {
            thread::sleep(Duration::from_millis(1200));
        }
        until_error(&mut link)
    });
    assert!(start.elapsed() < Duration::from_secs(5));
    for error in [&errors[0], &errors[2]] {
        assert_eq!(error.culprit(), Some(1), "{error}");
    }
}

fn abort_carries_the_first_culprit_and_does_not_wait_behind_data(over: Transport) {
    let world = World::new(over, 3, 0);
    let errors = world.run(1, |mut link| {
        match link.me() {
            0 => {
                // Far more than the window, and nobody reads it.
                let frame = Bytes::from(vec![0; 30_000_000]);
                let send = vec![(1, frame.clone()), (2, frame)];
                link.exchange(Round { send, expect: vec![] }).unwrap();
                link.abort(Some(2), "the check failed");
                assert!(matches!(link.exchange(Round::default()), Err(Error::Closed)));
                None
            }
            // Both wait for each other, not for party 0.
            me => {
                let round = Round { send: vec![], expect: vec![(3 - me, 1)] };
                Some(link.exchange(round).unwrap_err())
            }
        }
    });
    for error in errors.into_iter().flatten() {
        let told = matches!(&error, Error::Aborted { culprit: Some(2), reason, .. }
            if reason == "the check failed");
        assert!(told, "{error}");
    }
}

fn fifty_sessions_share_one_connection_per_pair(over: Transport) {
    let world = World::new(over, 3, 0);
    thread::scope(|scope| {
        for session in 0..50 {
            let world = &world;
            scope.spawn(move || {
                world.run(session, |mut link| {
                    for round in 0..5 {
                        let frames = all_to_all(&mut link, 1000 + round).unwrap();
                        assert_eq!(frames.len(), 2);
                    }
                })
            });
        }
    });
    // Three parties, and each pair's connection is counted at both ends.
    let connections: usize = world.endpoints.iter().map(Endpoint::connections).sum();
    assert_eq!(connections, 6);
}

fn several_processes_may_share_one_key(over: Transport) {
    let world = World::new(over, 2, 1);
    let second = Endpoint::bind(options(over, 2)).unwrap();
    let analyst = |endpoint: &Endpoint, session: u8| {
        let mut link = endpoint.link(world.session(2, session)).unwrap();
        for _ in 0..10 {
            all_to_all(&mut link, 10).unwrap();
        }
    };
    let site = |me: usize, session: u8| {
        let mut link = world.link(me, session).unwrap();
        for _ in 0..10 {
            all_to_all(&mut link, 10).unwrap();
        }
    };
    thread::scope(|scope| {
        for session in [1, 2] {
            for me in [0, 1] {
                scope.spawn(move || site(me, session));
            }
        }
        scope.spawn(|| analyst(&world.endpoints[2], 1));
        scope.spawn(|| analyst(&second, 2));
    });
}

fn a_session_is_open_only_once(over: Transport) {
    let world = World::new(over, 2, 0);
    world.run(1, |mut link| {
        all_to_all(&mut link, 1).unwrap();
        assert!(matches!(world.link(link.me(), 1), Err(Error::Setup(_))));
        all_to_all(&mut link, 1).unwrap();
    });
}

fn a_peer_that_does_not_join_is_named(over: Transport) {
    let world = World::new(over, 2, 0);
    for me in [0, 1] {
        let mut options = world.session(me, 1 + me as u8);
        options.connect_deadline = Duration::from_millis(500);
        let link = world.endpoints[me].link(options);
        // The dialing side has a place at the peer, and waits for it in the agreement.
        let error = link.and_then(|mut link| link.hello(b"", Duration::from_millis(500)));
        let error = error.unwrap_err();
        assert_eq!(error.culprit(), Some(1 - me), "{error}");
    }
}

fn sessions_go_on_after_a_peer_was_restarted(over: Transport) {
    let mut world = World::new(over, 3, 0);
    let round = |mut link: MeshLink| {
        all_to_all(&mut link, 10).unwrap();
        // Nobody leaves before all are through.
        all_to_all(&mut link, 10).unwrap();
    };
    world.run(1, round);
    let names = world.names();
    for down in [0, 2] {
        let address = world.endpoints[down].local_address();
        let blank = options(over, 99);
        world.endpoints[down] = Endpoint::bind(blank).unwrap();
        let again = Endpoint::bind(options(over, down as u8).listen(address)).unwrap();
        again.allow(names.clone());
        world.endpoints[down] = again;
        world.run(2 + down as u8, round);
    }
}

fn a_peer_that_starts_late_is_waited_for(over: Transport) {
    let mut world = World::new(over, 2, 0);
    let (zero, one) = (world.session(0, 1), world.session(1, 1));
    let address = world.endpoints[0].local_address();
    world.endpoints[0] = Endpoint::bind(options(over, 9)).unwrap();
    let names = world.names();
    let early = world.endpoints[1].clone();
    let other = thread::spawn(move || all_to_all(&mut early.link(one).unwrap(), 5).unwrap());
    thread::sleep(Duration::from_millis(400));
    let late = Endpoint::bind(options(over, 0).listen(address)).unwrap();
    late.allow(names);
    let mut link = late.link(zero).unwrap();
    all_to_all(&mut link, 5).unwrap();
    other.join().unwrap();
}

fn a_peer_that_is_down_is_named_with_the_cause(over: Transport) {
    let mut world = World::new(over, 2, 0);
    let down = usize::from(key(0).public() < key(1).public());
    let mut session = world.session(1 - down, 1);
    session.connect_deadline = Duration::from_millis(700);
    world.endpoints[down] = Endpoint::bind(options(over, 9)).unwrap();
    let error = world.endpoints[1 - down].link(session).unwrap_err();
    let named = matches!(&error, Error::Unreachable { peer: Some(p), fault: Fault::NothingListens, .. }
        if *p == down);
    assert!(named, "{error}");
}

fn a_party_that_computes_after_rounds_stays_connected_and_answers(over: Transport) {
    let world = World::new(over, 3, 0);
    world.run(1, |mut link| {
        for _ in 0..50 {
            all_to_all(&mut link, 100).unwrap();
        }
        // Longer than the idle time of the others.
        if link.me() == 0 {
            thread::sleep(Duration::from_millis(2500));
        } else {
            thread::sleep(Duration::from_millis(100));
            let time = world.endpoints[link.me()].ping(&world.peers[0]).unwrap();
            assert!(time < Duration::from_secs(1), "{time:?}");
        }
        all_to_all(&mut link, 100).unwrap();
    });
}

fn many_sessions_of_one_endpoint_wait_at_once(over: Transport) {
    let world = World::new(over, 2, 0);
    thread::scope(|scope| {
        for session in 1..9 {
            let world = &world;
            scope.spawn(move || {
                world.run(session, |mut link| {
                    for number in 0..200 {
                        if link.me() == 0 && number % 50 == usize::from(session) {
                            thread::sleep(Duration::from_millis(10));
                        }
                        all_to_all(&mut link, 100).unwrap();
                        // Not driven by the party.
                        if number % 20 == 0 {
                            all_to_all(&mut link, 300_000).unwrap();
                        }
                    }
                })
            });
        }
    });
}

fn a_conversation_goes_on_while_a_party_waits_and_computes_in_turns(over: Transport) {
    let world = World::new(over, 2, 0);
    let answers = world.endpoints[0].incoming();
    thread::scope(|scope| {
        scope.spawn(move || {
            let conversation = answers.recv().unwrap().conversation;
            while let Ok(message) = conversation.receive(Duration::from_secs(5)) {
                // The last answer is not awaited.
                let _ = conversation.send(message.unwrap());
            }
        });
        world.run(1, |mut link| {
            if link.me() == 0 {
                for number in 0..40 {
                    let round = Round { send: vec![], expect: vec![(1, 8)] };
                    link.exchange(round).unwrap();
                    thread::sleep(Duration::from_micros(number * 100));
                }
                return;
            }
            let asking = world.endpoints[1].request(&world.peers[0], vec![1; 100]).unwrap();
            for number in 0..40u8 {
                let echo = asking.receive(Duration::from_secs(5)).unwrap().unwrap();
                asking.send(echo).unwrap();
                let frame = Bytes::from(vec![number; 8]);
                link.exchange(Round { send: vec![(0, frame)], expect: vec![] }).unwrap();
            }
        });
    });
}

fn rounds_work_with_several_threads_and_from_inside_a_runtime(over: Transport) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for threads in [0, 1, 2] {
        let World { over, mut endpoints, mut peers } = World::new(over, 2, 0);
        let options = Options { threads, ..options(over, 1) };
        endpoints[1] = Endpoint::bind(options.listen(ANY)).unwrap();
        peers[1].address = Some(endpoints[1].local_address().to_string());
        let world = World { over, endpoints, peers };
        world.endpoints[1].allow(world.names());
        world.run(1, |mut link| {
            let rounds = |link: &mut MeshLink| {
                for length in [1, 100, 1_000_000, 2] {
                    all_to_all(link, length).unwrap();
                }
            };
            rounds(&mut link);
            runtime.block_on(async { rounds(&mut link) });
            rounds(&mut link);
        });
    }
}

over_both! {
    rounds_of_every_length_arrive_whole,
    a_party_may_run_ahead_and_leave_before_its_frames_are_asked_for,
    the_last_frame_arrives_though_the_whole_endpoint_is_dropped_after_it,
    hellos_are_exchanged_before_the_first_round,
    a_hello_in_the_place_of_a_round_is_refused,
    seeds_agree_and_are_bound_to_pair_session_and_epoch,
    a_frame_of_another_length_is_refused,
    a_party_that_leaves_is_named_by_all_others,
    a_party_that_goes_silent_is_named_by_all_others,
    abort_carries_the_first_culprit_and_does_not_wait_behind_data,
    fifty_sessions_share_one_connection_per_pair,
    several_processes_may_share_one_key,
    a_session_is_open_only_once,
    a_peer_that_does_not_join_is_named,
    sessions_go_on_after_a_peer_was_restarted,
    a_peer_that_starts_late_is_waited_for,
    a_peer_that_is_down_is_named_with_the_cause,
    a_party_that_computes_after_rounds_stays_connected_and_answers,
    many_sessions_of_one_endpoint_wait_at_once,
    a_conversation_goes_on_while_a_party_waits_and_computes_in_turns,
    rounds_work_with_several_threads_and_from_inside_a_runtime,
}
