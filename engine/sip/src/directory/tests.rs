//! Directory: case and port rules, replacing and removing, limits.

use super::*;

fn user(name: &str) -> UserEntry {
    UserEntry { username: name.into(), secret: Secret::Clear("1234".into()) }
}

fn control(url: &str) -> Option<ControlUrl> {
    Some(ControlUrl(url.into()))
}

#[test]
fn a_domain_is_found_in_any_case_and_with_a_port() {
    let mut directory = Directory::default();
    directory.replace("Example.COM", control("http://127.0.0.1:9001"), vec![user("1000")], None).unwrap();
    for name in ["example.com", "EXAMPLE.com:5060", "example.com."] {
        assert!(directory.domain(name).is_some(), "{name}");
    }
    let domain = directory.domain("example.com").unwrap();
    assert!(domain.secret("1000").is_some());
    assert!(domain.secret("1001").is_none());
}

#[test]
fn user_names_keep_their_case() {
    let mut directory = Directory::default();
    directory.replace("example.com", None, vec![user("Bob")], None).unwrap();
    assert!(directory.domain("example.com").unwrap().secret("bob").is_none());
}

#[test]
fn addresses_are_domains_too() {
    let mut directory = Directory::default();
    for (stored, asked) in [("127.0.0.1", "127.0.0.1:5060"), ("[2001:DB8::1]", "[2001:db8::1]:5060"), ("::1", "::1")] {
        directory.replace(stored, None, vec![], None).unwrap();
        assert!(directory.domain(asked).is_some(), "{asked}");
    }
}

#[test]
fn replacing_names_the_users_that_are_gone() {
    let mut directory = Directory::default();
    assert_eq!(directory.replace("a.b", None, vec![user("1"), user("2")], None).unwrap(), vec![]);
    let removed = directory.replace("a.b", None, vec![user("2"), user("3")], None).unwrap();
    assert_eq!(removed, vec![("a.b".to_owned(), vec!["1".to_owned()])]);
    assert_eq!(directory.len(), (1, 2));
}

#[test]
fn updating_keeps_what_is_not_named() {
    let mut directory = Directory::default();
    directory.replace("a.b", control("http://x:1"), vec![user("1")], None).unwrap();
    directory.update("a.b", None, vec![user("2")], None).unwrap();
    let view = directory.view("A.B:5060").unwrap();
    assert_eq!((view.users, view.control), (vec!["1".to_owned(), "2".to_owned()], control("http://x:1")));
    assert_eq!(directory.set_user("a.b", user("2")), Ok(false));
    assert_eq!(directory.set_user("a.b", user("3")), Ok(true));
    assert!(matches!(directory.set_user("c.d", user("3")), Err(DirectoryError::UnknownDomain(_))));
}

#[test]
fn removing_a_domain_takes_those_below_it_and_no_others() {
    let mut directory = Directory::default();
    for name in ["a.b", "x.a.b", "y.x.a.b", "xa.b"] {
        directory.replace(name, None, vec![user("1")], None).unwrap();
    }
    assert_eq!(directory.view("a.b").unwrap().domains, ["x.a.b", "y.x.a.b"]);
    assert_eq!(directory.remove_domain("a.b").unwrap().len(), 3);
    assert_eq!(directory.domains().collect::<Vec<_>>(), ["xa.b"]);
    assert_eq!(directory.len(), (1, 1));
    assert!(matches!(directory.remove_domain("a.b"), Err(DirectoryError::UnknownDomain(_))));
    assert!(matches!(directory.remove_user("xa.b", "2"), Err(DirectoryError::UnknownUser(_))));
    directory.remove_user("xa.b", "1").unwrap();
    assert_eq!(directory.len(), (1, 0));
}

#[test]
fn what_cannot_be_stored_changes_nothing() {
    let mut directory = Directory::new(DirectoryConfig { domains_max: 1, users_max: 2 });
    directory.replace("a.b", None, vec![user("1")], None).unwrap();
    assert!(matches!(directory.replace("c.d", None, vec![], None), Err(DirectoryError::Full { what: "domains", .. })));
    let three = vec![user("1"), user("2"), user("3")];
    assert!(matches!(directory.replace("a.b", None, three.clone(), None), Err(DirectoryError::Full { what: "users", .. })));
    assert!(matches!(directory.update("a.b", None, three, None), Err(DirectoryError::Full { what: "users", .. })));
    for bad in ["", "a b", "a..b", "-", "[::1", "a/b"] {
        let refused = matches!(directory.replace(bad, None, vec![], None), Err(DirectoryError::BadDomain(_)));
        assert!(refused || bad == "-", "{bad:?}");
    }
    let bad = UserEntry { username: "1".into(), secret: Secret::Ha1(vec![(Algorithm::Md5, "xyz".into())]) };
    assert!(matches!(directory.update("a.b", None, vec![bad], None), Err(DirectoryError::BadSecret(_))));
    assert!(matches!(directory.update("a.b", None, vec![user("a\r\nb")], None), Err(DirectoryError::BadUser(_))));
    assert_eq!(directory.view("a.b").unwrap().users, ["1"]);
}

#[test]
fn a_domain_offers_what_all_its_users_can_do() {
    let hashed = |name: &str, algorithms: &[Algorithm]| UserEntry {
        username: name.into(),
        secret: Secret::Ha1(algorithms.iter().map(|algorithm| (*algorithm, "0".repeat(algorithm.hex_len()))).collect()),
    };
    let (md5, sha) = (Algorithm::Md5, Algorithm::Sha256);
    let policy = |algorithms: &[Algorithm]| Some(Policy { algorithms: algorithms.to_vec(), ..Policy::default() });
    let mut directory = Directory::default();
    let offered = |directory: &Directory| directory.domain("a.b").unwrap().offer("a.b").algorithms.to_vec();
    directory.replace("a.b", None, vec![user("1"), hashed("2", &[md5, sha])], policy(&[sha, md5])).unwrap();
    assert_eq!(offered(&directory), [sha, md5]);
    directory.set_user("a.b", hashed("3", &[md5])).unwrap();
    assert_eq!(offered(&directory), [md5]);
    for refused in [
        directory.set_user("a.b", hashed("4", &[sha])).map(drop),
        directory.update("a.b", None, vec![], policy(&[sha])),
        directory.replace("a.b", None, vec![hashed("4", &[sha])], None).map(drop),
    ] {
        assert!(matches!(refused, Err(DirectoryError::NoAlgorithm(_))));
        assert_eq!(offered(&directory), [md5]);
    }
    directory.set_user("a.b", hashed("3", &[sha, md5])).unwrap();
    assert_eq!(offered(&directory), [sha, md5]);
    directory.set_user("a.b", hashed("3", &[md5])).unwrap();
    directory.remove_user("a.b", "3").unwrap();
    assert_eq!(offered(&directory), [sha, md5]);
    for bad in [policy(&[]), policy(&[md5, md5]), Some(Policy { qualities: vec![], ..Policy::default() })] {
        assert!(matches!(directory.update("a.b", None, vec![], bad), Err(DirectoryError::BadPolicy(_))));
    }
}
