//! What is attached, and what stands in for what this kernel does not have.

use std::process::Command;

use profiler::collect::probes::btf;
use serde_json::Value;

const PROFILER: &str = env!("CARGO_BIN_EXE_profiler");

#[test]
fn doctor_names_the_hooks_that_this_kernel_has() {
    let families = families();
    let sockets = family(&families, "sockets");
    let hooks = sockets["hooks"].to_string();
    assert_eq!(sockets["available"], true, "{sockets}");
    let types = btf::open().unwrap();
    let second = ["inet_sendmsg", "inet6_sendmsg", "inet_sendpage", "inet_recvmsg", "inet6_recvmsg"];
    if btf::tracepoint_parameters(&types, "sock_send_length").is_ok() {
        assert!(hooks.contains("tp_btf/sock_send_length"), "{hooks}");
        assert!(hooks.contains("tp_btf/sock_recv_length"), "{hooks}");
        assert!(!hooks.contains("instead of"), "{hooks}");
    } else {
        for function in second {
            assert!(hooks.contains(&format!("\"fexit/{function} instead of sock_")), "{function}: {hooks}");
        }
    }
}

#[test]
fn what_this_kernel_lacks_is_missing_by_name_and_nothing_else_is() {
    let families = families();
    let types = btf::open().unwrap();
    let lacks = |tracepoint: &str| btf::tracepoint_parameters(&types, tracepoint).is_err();
    let expected = [
        ("send-queue state and arrivals", lacks("sk_data_ready"), "no sk_data_ready"),
        ("throttled direct I/O", lacks("iomap_dio_rw_begin"), "no iomap_dio_rw_begin"),
        ("pinned pages", btf::enumerator(&types, "BIO_PAGE_PINNED").is_none(), "no BIO_PAGE_PINNED"),
    ];
    for family in families.as_array().unwrap() {
        let name = family["name"].as_str().unwrap();
        // Kernels that refuse trampolines: 6.18 as it runs in some virtual machines.
        let is_refused = ["libaio", "splice"].contains(&name)
            && family["missing"].as_str().is_some_and(|missing| missing.contains("Operation not permitted"));
        if is_refused {
            continue;
        }
        let why = expected.iter().find(|(found, lacks, _)| *found == name && *lacks).map(|(.., why)| *why);
        assert_eq!(family["available"], why.is_none(), "{family}");
        match (family["missing"].as_str(), why) {
            (Some(missing), Some(why)) => assert!(missing.contains(why), "{family}"),
            (missing, _) => assert_eq!(missing, None, "{family}"),
        }
    }
}

fn families() -> Value {
    let output = Command::new(PROFILER).args(["doctor", "--json"]).output().unwrap();
    let mut diagnosis: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(diagnosis["can_record"], true, "{diagnosis}");
    diagnosis["families"].take()
}

fn family<'a>(families: &'a Value, name: &str) -> &'a Value {
    families.as_array().unwrap().iter().find(|family| family["name"] == name).expect("the family is there")
}
