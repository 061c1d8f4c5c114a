//! `[[source]]` tables: kinds, the addresses of this host, and what does not go together.

use runtime::config::{Config, LoadOptions, SourceKind};

fn load(text: &str) -> Result<Config, String> {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("corelane.toml");
    std::fs::write(&file, text).expect("a file");
    let options = LoadOptions { file: Some(file), ..LoadOptions::default() };
    Config::load(options).map(|loaded| loaded.config).map_err(|problems| problems.render(false))
}

#[track_caller]
fn check_refused(text: &str, says: &[&str]) {
    let refused = load(text).expect_err("must be refused");
    for part in says {
        assert!(refused.contains(part), "{refused}");
    }
}

#[test]
fn a_table_stands_once_for_each_address_of_this_host() {
    let config = load(
        "[[source]]\nws_url = \"ws://127.0.0.1:1/ws\"\nlocal_addr = \"127.0.0.1\"\n\
         local_addrs = [\"127.0.0.9\", \"127.0.0.254-127.0.1.1\"]\n[[source]]\nws_url = \"wss://b/ws\"\n",
    );
    let sources = config.expect("loads").sources;
    let from: Vec<String> = sources
        .iter()
        .map(|source| source.local_addr.map_or("any".to_owned(), |ip| ip.to_string()))
        .collect();
    let expected = ["127.0.0.1", "127.0.0.9", "127.0.0.254", "127.0.0.255", "127.0.1.0"];
    assert_eq!(from, [&expected[..], &["127.0.1.1", "any"]].concat());
    assert!(sources[..6].iter().all(|source| source.ws_url == "ws://127.0.0.1:1/ws"));
}

#[test]
fn kinds_have_the_defaults_that_fit_them() {
    let config = load(
        "[[source]]\n[[source]]\nkind = \"hyperliquid-node\"\nnode_dir = \"hl/data\"\n\
         [[source]]\nkind = \"hyperliquid-provider\"\nws_url = \"wss://p/ws\"\nusers_per_ip = 500\n\
         info_url = \"https://p/info\"\n",
    );
    let sources = config.expect("loads").sources;
    let [public, node, provider] = &sources[..] else { panic!("three sources") };
    assert_eq!((public.kind, public.users_per_ip), (SourceKind::HyperliquidWs, 10));
    assert_eq!(public.info_url.as_deref(), Some("https://api.hyperliquid.xyz/info"));
    assert_eq!((node.kind, node.users_per_ip), (SourceKind::HyperliquidNode, u32::MAX));
    assert!(
        node.node_dir.as_ref().is_some_and(|dir| dir.is_absolute() && dir.ends_with("hl/data"))
    );
    assert_eq!(node.info_url, None);
    assert_eq!((provider.kind, provider.users_per_ip), (SourceKind::HyperliquidProvider, 500));
    assert_eq!(provider.info_url.as_deref(), Some("https://p/info"));
}

#[test]
fn what_does_not_go_together_is_refused_with_what_would() {
    check_refused(
        "[[source]]\nkind = \"hyperliquid-node\"\n",
        &["error[CFG010]: [[source]] 1: a node is read from its files, and node_dir is not set"],
    );
    check_refused(
        "[[source]]\nnode_dir = \"hl\"\n",
        &["node_dir is set, and this source is no node", "kind = \"hyperliquid-node\""],
    );
    check_refused(
        "[[source]]\nkind = \"hyperliquid-provider\"\n",
        &["ws_url is the public server, which is no provider"],
    );
    let twice = "[[source]]\nlocal_addrs = [\"10.0.0.1\", \"10.0.0.2\"]\n[[source]]\nlocal_addr = \"10.0.0.2\"\n";
    check_refused(twice, &["[[source]] 2 and 3 are the same"]);
}

#[test]
fn bad_lists_of_addresses_are_named_one_by_one() {
    check_refused(
        "[[source]]\nlocal_addrs = [\"10.0.0.300\", 7, \"10.0.0.9-10.0.0.1\", \"10.0.0.1\", \"10.0.0.1\"]\n",
        &["corelane.toml:2:16", "corelane.toml:2:30", "corelane.toml:2:33", "is there twice"],
    );
    check_refused(
        "[[source]]\nlocal_addrs = [\"10.0.0.0-10.0.255.255\"]\n",
        &["source.local_addrs does not work", "more than 4096 addresses"],
    );
    check_refused("[[source]]\nlocal_addrs = \"10.0.0.1\"\n", &["wrong type", "a list"]);
}
