//! Logins by password and SCRAM.

use std::net::IpAddr;
use std::time::Duration;

use aws_lc_rs::{digest, hmac, pbkdf2};
use congvu_directory::edit::{account, agency, credential};
use congvu_directory::password::{self, Purpose};
use congvu_directory::record::Policy;
use congvu_directory::{Login, LoginContext, Service, view};
use congvu_store::AccountId;
use congvu_wire::Secret;
use congvu_wire::sasl::{Denial, SaslAnswer, SaslAsk, ScramKeys};

use crate::World;

const AN: &str = "con cò bay lả bay la";

fn from(last: u8) -> LoginContext {
    LoginContext {
        remote: IpAddr::from([192, 0, 2, last]),
        port: 40_000,
        service: Service::Imap,
    }
}

impl World {
    async fn log_in(
        &self,
        context: LoginContext,
        name: &str,
        password: &str,
    ) -> Result<Login, Denial> {
        let ask = SaslAsk::Password {
            authcid: name.to_owned(),
            password: Secret::new(password),
        };
        match self.directory.sasl(context, ask).await {
            (SaslAnswer::Granted, Some(login)) => Ok(login),
            (SaslAnswer::Denied(denial), None) => Err(denial),
            other => panic!("{other:?}"),
        }
    }

    async fn keys(&self, context: LoginContext, name: &str) -> ScramKeys {
        match self
            .directory
            .sasl(
                context,
                SaslAsk::Keys {
                    authcid: name.to_owned(),
                },
            )
            .await
        {
            (SaslAnswer::Keys(keys), None) => keys,
            other => panic!("{other:?}"),
        }
    }

    /// What a SCRAM client with this password achieves.
    async fn scram(
        &self,
        context: LoginContext,
        name: &str,
        password: &str,
    ) -> Result<Login, Denial> {
        let keys = self.keys(context, name).await;
        let matched = prove(&keys, password);
        let ask = SaslAsk::Decided {
            authcid: name.to_owned(),
            matched,
        };
        match self.directory.sasl(context, ask).await {
            (SaslAnswer::Granted, Some(login)) => Ok(login),
            (SaslAnswer::Denied(denial), None) => Err(denial),
            other => panic!("{other:?}"),
        }
    }

    async fn app_password(&self, account: AccountId, name: &'static str) -> String {
        let generated = password::generate();
        let hashed = self
            .directory
            .hash(Some(account), &generated, Purpose::App)
            .await
            .unwrap();
        self.change(move |tx| credential::add_app(tx, account, name, &hashed))
            .await;
        String::from_utf8(generated.expose().to_vec()).unwrap()
    }
}

/// Which of the keys belongs to a password.
fn prove(keys: &ScramKeys, password: &str) -> Option<usize> {
    let mut salted = [0; 32];
    let rounds = std::num::NonZeroU32::new(keys.iterations).unwrap();
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        rounds,
        &keys.salt,
        password.as_bytes(),
        &mut salted,
    );
    let client = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &salted), b"Client Key");
    let stored = digest::digest(&digest::SHA256, client.as_ref());
    keys.keys
        .iter()
        .position(|key| key.stored_key == stored.as_ref())
}

#[tokio::test(start_paused = true)]
async fn passwords_let_in_and_others_do_not() {
    let world = World::new().await;
    let an = world.person("an@xa.test").await;
    world.alias("a@xa.test", &["an@xa.test"]).await;
    world
        .alias("both@xa.test", &["an@xa.test", "an+x@xa.test"])
        .await;
    world.password(an, AN).await;
    for name in ["an@xa.test", "AN@XA.test", " an@xa.test", "a@xa.test"] {
        let login = world.log_in(from(1), name, AN).await.unwrap();
        assert_eq!(
            (login.account, login.acting_for, login.credential.as_str()),
            (an, an, "main"),
            "{name}"
        );
        assert_eq!(login.address.to_string(), "an@xa.test");
        assert!(world.directory.is_current(&login).await.unwrap());
    }
    // As a phone with decomposed letters sends it.
    world
        .log_in(from(1), "an@xa.test", "con co\u{300} bay la\u{309} bay la")
        .await
        .unwrap();
    for (name, password) in [
        ("an@xa.test", "con cò bay lả bay l"),
        ("an@xa.test", ""),
        ("both@xa.test", AN),
        ("an+x@xa.test", AN),
        ("binh@xa.test", AN),
        ("an@elsewhere.test", AN),
        ("an", AN),
        ("", AN),
        ("*", AN),
        ("an@xa.test*", AN),
        ("binh@xa.test*an@xa.test", AN),
    ] {
        assert_eq!(
            world.log_in(from(1), name, password).await,
            Err(Denial::Credentials),
            "{name}"
        );
        assert_eq!(
            world.scram(from(2), name, password).await,
            Err(Denial::Credentials),
            "{name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_password_is_the_only_one() {
    let world = World::new().await;
    let an = world.person("an@xa.test").await;
    world.password(an, AN).await;
    let login = world.log_in(from(1), "an@xa.test", AN).await.unwrap();
    let before = world.keys(from(1), "an@xa.test").await;
    for new in ["một hai ba bốn năm", "sáu bảy tám chín mười"] {
        world.password(an, new).await;
        assert!(!world.directory.is_current(&login).await.unwrap());
        assert_eq!(
            world.log_in(from(1), "an@xa.test", AN).await,
            Err(Denial::Credentials)
        );
        world.log_in(from(1), "an@xa.test", new).await.unwrap();
        world.scram(from(1), "an@xa.test", new).await.unwrap();
    }
    let after = world.keys(from(1), "an@xa.test").await;
    assert_ne!(before.salt, after.salt);
    // Taken away and set again.
    world
        .change(move |tx| credential::remove_main(tx, an))
        .await;
    assert_eq!(
        world.log_in(from(2), "an@xa.test", AN).await,
        Err(Denial::Credentials)
    );
    world.password(an, AN).await;
    world.scram(from(3), "an@xa.test", AN).await.unwrap();
}

#[tokio::test]
async fn unknown_names_get_stable_false_keys() {
    let world = World::new().await;
    let post = world.post("vanthu@xa.test").await;
    let first = world.keys(from(1), "nobody@xa.test").await;
    assert_eq!(first, world.keys(from(9), "Nobody@xa.test").await);
    assert_ne!(first.salt, world.keys(from(1), "other@xa.test").await.salt);
    assert_eq!(
        world.keys(from(1), "vanthu@xa.test").await.keys.len(),
        1,
        "without a password it looks the same"
    );
    let world = world.reopen().await;
    assert_eq!(first, world.keys(from(1), "nobody@xa.test").await);
    world.password(post, AN).await;
    let real = world.keys(from(1), "vanthu@xa.test").await;
    assert_eq!(
        (real.salt.len(), real.iterations, real.keys.len()),
        (first.salt.len(), first.iterations, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn app_passwords_work_beside_the_main_one_until_revoked() {
    let world = World::new().await;
    let an = world.person("an@xa.test").await;
    world.password(an, AN).await;
    let phone = world.app_password(an, "Điện thoại").await;
    let outlook = world.app_password(an, "Outlook").await;
    for (password, credential) in [
        (AN, "main"),
        (phone.as_str(), "Điện thoại"),
        (outlook.as_str(), "Outlook"),
    ] {
        assert_eq!(
            world
                .log_in(from(1), "an@xa.test", password)
                .await
                .unwrap()
                .credential,
            credential
        );
        assert_eq!(
            world
                .scram(from(1), "an@xa.test", password)
                .await
                .unwrap()
                .credential,
            credential
        );
    }
    let again = world.refused(move |tx| {
        let there = credential::list(tx, an)?;
        credential::rename_app(tx, an, &there[1].name.clone(), "OUTLOOK")
    });
    assert!(again.await.contains("exists already"));
    // What was given out before a revocation lets nobody in after it, and is not taken for its neighbour.
    let login = world.log_in(from(1), "an@xa.test", &phone).await.unwrap();
    let keys = world.keys(from(1), "an@xa.test").await;
    let matched = prove(&keys, &phone);
    assert_eq!(matched, Some(1));
    world
        .change(move |tx| credential::remove_app(tx, an, "điện thoại"))
        .await;
    let ask = SaslAsk::Decided {
        authcid: "an@xa.test".into(),
        matched,
    };
    assert_eq!(
        world.directory.sasl(from(1), ask).await.0,
        SaslAnswer::Denied(Denial::Credentials)
    );
    assert_eq!(
        world.log_in(from(2), "an@xa.test", &phone).await,
        Err(Denial::Credentials),
        "not from memory either"
    );
    assert!(!world.directory.is_current(&login).await.unwrap());
    assert_eq!(
        world
            .log_in(from(3), "an@xa.test", &outlook)
            .await
            .unwrap()
            .credential,
        "Outlook"
    );
    // A new main password keeps app passwords working, in SCRAM too.
    world.password(an, "một hai ba bốn năm").await;
    assert_eq!(
        world.log_in(from(4), "an@xa.test", AN).await,
        Err(Denial::Credentials)
    );
    assert_eq!(
        world
            .scram(from(5), "an@xa.test", &outlook)
            .await
            .unwrap()
            .credential,
        "Outlook"
    );
    assert_eq!(
        world
            .scram(from(5), "an@xa.test", "một hai ba bốn năm")
            .await
            .unwrap()
            .credential,
        "main"
    );
    let shown = world
        .directory
        .store()
        .read(move |r| view::app_passwords(r, an))
        .await
        .unwrap();
    assert_eq!(shown.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_post_is_opened_with_the_persons_own_password() {
    let world = World::new().await;
    let an = world.person("an@xa.test").await;
    let binh = world.person("binh@xa.test").await;
    let post = world.post("vanthu@xa.test").await;
    world.password(an, AN).await;
    world.password(binh, "một hai ba bốn năm").await;
    world.operate(post, an).await;
    let name = "vanthu@xa.test*an@xa.test";
    for login in [
        world.log_in(from(1), name, AN).await,
        world.scram(from(1), name, AN).await,
    ] {
        let login = login.unwrap();
        assert_eq!((login.account, login.acting_for), (an, post));
    }
    let other = "vanthu@xa.test*binh@xa.test";
    assert_eq!(
        world.log_in(from(1), other, "một hai ba bốn năm").await,
        Err(Denial::Credentials)
    );
    assert_eq!(
        world.scram(from(1), other, "một hai ba bốn năm").await,
        Err(Denial::Credentials)
    );
    assert_eq!(
        world.log_in(from(2), "vanthu@xa.test", AN).await,
        Err(Denial::Credentials),
        "a post has no password"
    );
    let login = world.log_in(from(3), name, AN).await.unwrap();
    world
        .change(move |tx| account::set_enabled(tx, post, false))
        .await;
    assert!(!world.directory.is_current(&login).await.unwrap());
    assert_eq!(world.log_in(from(3), name, AN).await, Err(Denial::Disabled));
    assert!(world.log_in(from(3), "an@xa.test", AN).await.is_ok());
    world
        .change(move |tx| account::set_enabled(tx, post, true))
        .await;
    world.password(post, "của riêng văn phòng").await;
    assert_eq!(
        world
            .log_in(from(4), "vanthu@xa.test", "của riêng văn phòng")
            .await
            .unwrap()
            .account,
        post
    );
}

#[tokio::test(start_paused = true)]
async fn only_the_right_password_learns_that_an_account_is_disabled() {
    let world = World::new().await;
    let an = world.person("an@xa.test").await;
    world.password(an, AN).await;
    world.log_in(from(1), "an@xa.test", AN).await.unwrap();
    let xa = world.agency;
    world
        .change(move |tx| agency::set_enabled(tx, xa, false))
        .await;
    assert_eq!(
        world.log_in(from(1), "an@xa.test", AN).await,
        Err(Denial::Disabled)
    );
    assert_eq!(
        world.scram(from(1), "an@xa.test", AN).await,
        Err(Denial::Disabled)
    );
    assert_eq!(
        world.log_in(from(1), "an@xa.test", "wrong").await,
        Err(Denial::Credentials)
    );
}

#[tokio::test(start_paused = true)]
async fn guessing_waits_and_a_remembered_device_does_not() {
    let world = World::new().await;
    let an = world.person("an@xa.test").await;
    world.password(an, AN).await;
    world.log_in(from(1), "an@xa.test", AN).await.unwrap();
    let start = tokio::time::Instant::now();
    for n in 0..6 {
        world
            .log_in(from(1), "an@xa.test", &format!("guess {n}"))
            .await
            .unwrap_err();
    }
    let waited = start.elapsed();
    assert!(
        waited >= Duration::from_secs(1 + 2 + 4 + 8 + 16 + 30),
        "{waited:?}"
    );
    let start = tokio::time::Instant::now();
    world.log_in(from(1), "an@xa.test", AN).await.unwrap();
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "the known password did not wait behind the guesses"
    );
}

#[tokio::test]
async fn sessions_are_counted_and_limited() {
    let world = World::new().await;
    let an = world.person("an@xa.test").await;
    world.password(an, AN).await;
    world.directory.limit_sessions(3);
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(world.log_in(from(1), "an@xa.test", AN).await.unwrap());
    }
    assert_eq!(world.directory.sessions(an), 3);
    assert_eq!(
        world.log_in(from(1), "an@xa.test", AN).await,
        Err(Denial::TooMany)
    );
    let submission = LoginContext {
        service: Service::Submission,
        ..from(1)
    };
    assert!(world.log_in(submission, "an@xa.test", AN).await.is_ok());
    open.pop();
    open.push(world.log_in(from(1), "an@xa.test", AN).await.unwrap());
    let xa = world.agency;
    let four = Policy {
        sessions: Some(4),
        ..Policy::default()
    };
    world
        .change(move |tx| agency::set_policy(tx, xa, four))
        .await;
    open.push(world.log_in(from(1), "an@xa.test", AN).await.unwrap());
    assert_eq!(
        world.log_in(from(1), "an@xa.test", AN).await,
        Err(Denial::TooMany)
    );
    open.clear();
    assert_eq!(world.directory.sessions(an), 0);
}
