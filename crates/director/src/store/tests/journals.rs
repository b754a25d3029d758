//! What is kept, and read back.

use super::files::config;
use super::*;
use crate::zero::ZeroPoints;

fn line(record: &Record) -> String {
    serde_json::to_string(record).unwrap()
}

#[test]
fn lines_of_a_journal_add_up_to_the_store() {
    let mut expected = store();
    expected.adopt(&config(&[("192.0.2.7:80", &[])]), false).unwrap();
    let mut zero = ZeroPoints::default();
    let mut lines = vec![line(&Record::Snapshot(Box::new(Snapshot::of(&expected, &zero))))];
    let requests = [
        add_service("[2001:db8::1]:443"),
        Request::Batch {
            requests: vec![
                add_server("[2001:db8::1]:443", nat("[2001:db8::2]:443")),
                Request::DeleteService { key: key("192.0.2.1:80") },
            ],
        },
    ];
    for request in requests {
        expected.change(&request).unwrap();
        lines.push(line(&Record::Change(request)));
    }
    let counted = api::TrafficCounters { connections: 7, ..Default::default() };
    zero.set((key("[2001:db8::1]:443"), Some("[2001:db8::2]:443".parse().unwrap())), counted);
    lines.push(line(&Record::Zero(zero.clone())));
    assert!(lines.iter().all(|line| !line.contains('\n')));
    assert_eq!(restore(&lines).unwrap(), (expected.clone(), zero.clone()));
    let compacted = [line(&Record::Snapshot(Box::new(Snapshot::of(&expected, &zero))))];
    assert_eq!(restore(&compacted).unwrap(), (expected, zero));
}

#[test]
fn lines_that_cannot_be_are_named() {
    let good = line(&Record::Snapshot(Box::new(Snapshot::of(&store(), &ZeroPoints::default()))));
    let future = good.replace("\"format\":1", "\"format\":2");
    assert_ne!(future, good);
    for (lines, place) in [
        (vec![future], "line 1 has format 2"),
        (vec![good.clone(), "{".into()], "line 2 cannot be read"),
        (vec![good, line(&Record::Change(add_service("192.0.2.1:80")))], "line 2 cannot be repeated"),
    ] {
        let error = restore(&lines).unwrap_err();
        assert!(error.starts_with(place), "{error}");
    }
    assert_eq!(restore(&[]).unwrap().0, Store::default());
}

/// Lines as they were kept before services had more than an address, a scheduler and a name.
#[test]
fn old_journals_are_read() {
    let lines = [
        r#"{"snapshot":{"format":1,"generation":2,"timeouts":{"tcp":900,"tcp_fin":120,"udp":300},"services":[{"key":{"protocol":"tcp","endpoint":"192.0.2.1:80"},"options":{"scheduler":"mh","scheduler_flags":{"port":true},"any":false},"servers":[{"endpoint":"10.0.0.1:80","method":"dr","weight":3}]}],"file":null,"zero":[]}}"#,
        r#"{"change":{"do":"add-server","service":{"protocol":"tcp","endpoint":"192.0.2.1:80"},"server":{"endpoint":"10.0.0.2:8080","method":"nat","weight":1}}}"#,
    ];
    let (store, _) = restore(&lines.map(str::to_owned)).unwrap();
    let service = &store.services()[&key("192.0.2.1:80")];
    assert_eq!(service.servers, [server("10.0.0.1:80", ForwardingMethod::DirectRouting, 3), nat("10.0.0.2:8080")]);
    let scheduler_flags = SchedulerFlags { port: true, ..SchedulerFlags::NONE };
    assert_eq!(service.options, ServiceOptions { scheduler_flags, ..options(Scheduler::Maglev) });
    assert_eq!(store.generation(), 3);
}
