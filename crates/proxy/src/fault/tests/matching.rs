//! Which calls a rule matches.

use super::*;

#[tokio::test(start_paused = true)]
async fn without_a_rule_calls_pass_unchanged() {
    let bench = bench(&[]);
    assert!(!bench.faults.is_armed());
    let seen = bench.call("status").await;
    assert_eq!((&seen.data, seen.faults().len(), seen.took), (&bench.answer, 0, Duration::ZERO));
    assert_eq!(seen.trailers.unwrap()[GRPC_STATUS], "0");
}

#[tokio::test]
async fn removed_rules_have_no_effect() {
    let bench = bench(&["access-denied"]);
    assert_eq!(bench.call("status").await.status(), (200, "13", "Access%20denied".into()));
    assert!(bench.faults.remove("f1") && !bench.faults.remove("f1"));
    assert!(!bench.faults.is_armed());
    assert_eq!(bench.call("status").await.status().1, "");
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn missing_names_are_given_and_taken_once() {
    let bench = bench(&["hang", "id=f2,hang", "hang"]);
    let ids = || bench.faults.list().into_iter().map(|listed| listed.id).collect::<Vec<_>>();
    assert_eq!(ids(), ["f1", "f2", "f3"]);
    let again = bench.faults.add("id=f2,hang".parse().unwrap(), Source::Operator).unwrap_err();
    assert_eq!(again.to_string(), "id: 'f2': expected a name that no other rule has");
    assert_eq!((bench.faults.clear(), ids().len()), (3, 0));
}

#[tokio::test]
async fn methods_match_by_name_or_path() {
    for (rule, hit) in [
        ("method=getNextResult*", [true, true, false]),
        ("method=/QueryEngineService/getNextResultBatch", [true, false, false]),
        ("method=c?ear", [false, false, true]),
    ] {
        let bench = bench(&[&format!("{rule},suspended")]);
        let mut found = [false; 3];
        for (found, method) in found.iter_mut().zip(["getNextResultBatch", "getNextResultBatchV2", "clear"]) {
            *found = bench.call(method).await.status().1 == "14";
        }
        assert_eq!(found, hit, "{rule}");
    }
}

#[tokio::test]
async fn heads_match_by_strategy_and_metadata() {
    let bench =
        bench(&["strategy=green,cluster-name=c*,user-agent=grpc-python*,metadata.x-a=1,access-denied"]);
    let send = async |strategy, headers: &[(&'static str, &str)]| {
        let mut request = request("status", &[]);
        request.extensions_mut().insert(strategy);
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        bench.send(request).await.unwrap().status().1 == "13"
    };
    let all = [("cluster-name", "c1"), ("user-agent", "grpc-python/1.85"), ("x-a", "0"), ("x-a", "1")];
    assert!(send(Strategy::Green, &all).await);
    assert!(!send(Strategy::Blue, &all).await);
    for missing in [0, 1, 3] {
        let some: Vec<_> =
            all.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, pair)| *pair).collect();
        assert!(!send(Strategy::Green, &some).await, "without {:?}", all[missing]);
    }
}

#[tokio::test]
async fn sql_is_read_where_the_call_carries_it() {
    let bench = bench(&["sql=(?i)from\\s+orders,access-denied"]);
    for (method, field, sql, is_hit) in [
        ("prepareStatement", 3, "SELECT 1 FROM Orders", true),
        ("prepareStatementV2", 4, "select * from  orders", true),
        ("dryRun", 4, "select from orders", true),
        ("prepareStatementV2", 4, "select 1", false),
        ("prepareStatementV2", 3, "select from orders", false),
    ] {
        let message = [string_field(1, "session"), string_field(field, sql)].concat();
        let seen = bench.send(request(method, &message)).await.unwrap();
        assert_eq!(seen.status().1 == "13", is_hit, "{method} {sql}");
    }
    let chunks = framed(&string_field(4, &format!("{} from orders", "x".repeat(100_000))));
    let mut long = request("prepareStatementV2", &[]);
    *long.body_mut() = Frames::data(chunks.chunks(1000).map(Bytes::copy_from_slice));
    assert_eq!(bench.send(long).await.unwrap().status().1, "13", "in many frames");
    assert_eq!(bench.calls(), 2);
}

#[tokio::test]
async fn users_are_known_by_their_login() {
    let cluster = bench(&["user=*@example.com,method=resume,access-denied"]);
    let mut bench = bench(&["user=*@example.com,method=status,access-denied"]);
    bench.answer = framed(&string_field(1, "session-1"));
    let login = |user: &str| request("authenticate", &[string_field(1, user), string_field(2, "x")].concat());
    let status = |session: &str| request("status", &string_field(2, session));
    let answer = bench.send(login("me@example.com")).await.unwrap();
    assert_eq!(answer.data, bench.answer, "the answer passes as it is");
    assert_eq!(bench.send(status("session-1")).await.unwrap().status().1, "13");
    assert_eq!(bench.send(status("session-2")).await.unwrap().status().1, "");
    let mut resume = request("resume", &string_field(1, "me@example.com"));
    *resume.uri_mut() = "/ClusterService/resume".parse().unwrap();
    assert_eq!(cluster.send(resume).await.unwrap().status().1, "13", "it says so itself");
    bench.send(login("you@example.org")).await.unwrap();
    assert_eq!(bench.send(status("session-1")).await.unwrap().status().1, "", "it is somebody else's now");
}

#[tokio::test]
async fn phases_are_those_of_the_switch() {
    let bench = bench(&["phase=ANNOUNCED,access-denied"]);
    assert_eq!(bench.call("status").await.status().1, "");
    bench
        .switch
        .command(switch::Command::Announce { to: None }, switch::Order::by(switch::Actor::Operator))
        .unwrap();
    assert_eq!(bench.call("status").await.status().1, "13");
}

#[tokio::test]
async fn matches_and_hits_are_counted() {
    let bench = bench(&["method=clear,every=2,access-denied"]);
    for (method, code) in [("clear", ""), ("status", ""), ("clear", "13"), ("clear", ""), ("clear", "13")] {
        assert_eq!(bench.call(method).await.status().1, code);
    }
    let listed = &bench.faults.list()[0];
    assert_eq!((listed.matches, listed.hits, listed.source), (4, 2, Source::Start));
    assert_eq!(listed.rule, "method=clear,every=2,access-denied");
}

#[tokio::test]
async fn chance_is_the_same_with_the_same_seed() {
    let played = async |seed: u64| {
        let bench = bench(&[&format!("probability=0.5,seed={seed},access-denied")]);
        let mut hits = Vec::new();
        for _ in 0..64 {
            hits.push(bench.call("status").await.status().1 == "13");
        }
        hits
    };
    let (one, again, other) = (played(1).await, played(1).await, played(2).await);
    assert_eq!(one, again);
    assert_ne!(one, other);
    assert!((10..54).contains(&one.iter().filter(|hit| **hit).count()));
}

#[tokio::test(start_paused = true)]
async fn delays_add_up_until_an_outcome() {
    let bench = bench(&["id=a,delay=1s", "id=b,delay=2s,at=answer", "id=c,access-denied", "id=d,delay=9s"]);
    let seen = bench.call("status").await;
    assert_eq!((seen.took, seen.faults()), (Duration::from_secs(3), vec!["a", "b", "c"]));
    assert_eq!(bench.hits(), [1, 1, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn calls_may_bring_rules_where_allowed() {
    let with = |rule: &str| {
        let mut request = request("status", &[]);
        request.headers_mut().insert(TEAL_FAULT, rule.parse().unwrap());
        request
    };
    let allowed = bench_with(&[], true);
    let seen = allowed.send(with("id=mine,delay=3s")).await.unwrap();
    assert_eq!((seen.took, seen.faults()), (Duration::from_secs(3), vec!["mine"]));
    assert_eq!(allowed.send(with("method=clear,hang")).await.unwrap().faults().len(), 0);
    let bad = allowed.send(with("delay=soon")).await.unwrap();
    let (http, code, message) = bad.status();
    assert_eq!((http, code), (200, "3"));
    assert!(message.starts_with("teal-fault:%20delay:%20'soon':%20expected"), "{message}");
    assert_eq!(allowed.faults.list(), []);
    for rule in ["nth=2,hang", "every=2,hang", "truncate=1batch"] {
        let message = allowed.send(with(rule)).await.unwrap().status().2;
        assert!(message.contains("never%20matches:%20a%20rule%20carried%20by%20a%20call"), "{message}");
    }
    let forbidden = bench(&[]);
    assert_eq!(forbidden.send(with("hang")).await.unwrap().faults().len(), 0);
}
