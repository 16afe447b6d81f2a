//! Exchanges from both ends: the vectors of RFC 7677, refusals, and a client against the server.

use super::super::client;
use super::*;

fn tls(binding: Option<&[u8]>, end_point: Option<&[u8]>) -> TlsInfo {
    TlsInfo {
        binding: binding.map(Into::into),
        end_point: end_point.map(Into::into),
        ..TlsInfo::default()
    }
}

fn begin(mechanism: &str, message: &[u8], tls: &TlsInfo) -> (Exchange, SaslStep) {
    let policy = Policy {
        tls: Some(tls),
        allow_plaintext: false,
    };
    let initial = if message.is_empty() {
        "=".into()
    } else {
        scram::encode(message)
    };
    Exchange::begin(mechanism, Some(initial.as_bytes()), &policy).expect("begins")
}

fn password(authcid: &str, password: &str) -> SaslStep {
    SaslStep::Ask(SaslAsk::Password {
        authcid: authcid.into(),
        password: Secret::new(password),
    })
}

#[test]
fn mechanisms_follow_the_channel() {
    let list = |tls: Option<&TlsInfo>, allow_plaintext| {
        mechanisms(&Policy {
            tls,
            allow_plaintext,
        })
        .join(" ")
    };
    assert_eq!(list(None, false), "");
    assert_eq!(list(None, true), "SCRAM-SHA-256 PLAIN LOGIN");
    assert_eq!(
        list(Some(&tls(None, None)), false),
        "SCRAM-SHA-256 PLAIN LOGIN"
    );
    let bound = "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN";
    assert_eq!(list(Some(&tls(Some(b"x"), None)), false), bound);
    assert_eq!(list(Some(&tls(None, Some(b"x"))), false), bound);
    for (name, tls, expected) in [
        ("PLAIN", None, Unavailable::NeedsTls),
        ("SCRAM-SHA-256", None, Unavailable::NeedsTls),
        ("CRAM-MD5", None, Unavailable::Unknown),
        (
            "SCRAM-SHA-256-PLUS",
            Some(&tls(None, None)),
            Unavailable::Unknown,
        ),
    ] {
        let policy = Policy {
            tls,
            allow_plaintext: false,
        };
        assert_eq!(
            Exchange::begin(name, None, &policy).err(),
            Some(expected),
            "{name}"
        );
    }
}

#[test]
fn plain() {
    let channel = tls(None, None);
    for (message, expected) in [
        (
            &b"\0an@a.test\0mot hai"[..],
            password("an@a.test", "mot hai"),
        ),
        (b"an@a.test\0an@a.test\0x", password("an@a.test", "x")),
        (
            b"binh@a.test\0an@a.test\0x",
            SaslStep::Failed(Failure::Refused),
        ),
        (b"\0an@a.test\0", SaslStep::Failed(Failure::Malformed)),
        (b"\0\0x", SaslStep::Failed(Failure::Malformed)),
        (b"an@a.test\0x", SaslStep::Failed(Failure::Malformed)),
        (b"\0an@a.test\0x\0y", SaslStep::Failed(Failure::Malformed)),
        (
            b"\0an@a.test\0\xff\xfe",
            SaslStep::Failed(Failure::Malformed),
        ),
        (b"\0\xff\0x", SaslStep::Failed(Failure::Malformed)),
        (b"\0a b\0x", SaslStep::Failed(Failure::Malformed)),
        (b"", SaslStep::Failed(Failure::Malformed)),
    ] {
        assert_eq!(
            begin("plain", message, &channel).1,
            expected,
            "{}",
            message.escape_ascii()
        );
    }
    let (mut exchange, _) = begin("PLAIN", b"\0an@a.test\0x", &channel);
    assert_eq!(
        exchange.answer(SaslAnswer::Granted),
        SaslStep::Granted("an@a.test".into())
    );
    let (mut exchange, _) = begin("PLAIN", b"\0an@a.test\0x", &channel);
    let denied = exchange.answer(SaslAnswer::Denied(Denial::Credentials));
    assert_eq!(denied, SaslStep::Denied(Denial::Credentials));
    assert_eq!(
        exchange.answer(SaslAnswer::Granted),
        SaslStep::Denied(Denial::Unavailable)
    );

    let policy = Policy {
        tls: Some(&channel),
        allow_plaintext: false,
    };
    let (mut exchange, step) = Exchange::begin("PLAIN", None, &policy).expect("begins");
    assert_eq!(step, SaslStep::Challenge(Vec::new()));
    assert_eq!(exchange.respond(b"*"), SaslStep::Failed(Failure::Cancelled));
    for bad in [
        &b"!!!"[..],
        b"AGE",
        b"=",
        b"A===",
        b"\xff",
        &[b'A'; MAX_RESPONSE + 4],
    ] {
        let (mut exchange, _) = Exchange::begin("PLAIN", None, &policy).expect("begins");
        assert_eq!(exchange.respond(bad), SaslStep::Failed(Failure::Malformed));
    }
}

#[test]
fn login_as_outlook_sends_it() {
    let channel = tls(None, None);
    let policy = Policy {
        tls: Some(&channel),
        allow_plaintext: false,
    };
    let (mut exchange, step) = Exchange::begin("LOGIN", None, &policy).expect("begins");
    assert_eq!(step, SaslStep::Challenge(b"Username:".to_vec()));
    let step = exchange.respond(scram::encode(b"an@a.test").as_bytes());
    assert_eq!(step, SaslStep::Challenge(b"Password:".to_vec()));
    let step = exchange.respond(scram::encode(b"mot").as_bytes());
    assert_eq!(step, password("an@a.test", "mot"));
    assert_eq!(
        exchange.answer(SaslAnswer::Granted),
        SaslStep::Granted("an@a.test".into())
    );

    let (mut exchange, step) = begin("LOGIN", b"an@a.test", &channel);
    assert_eq!(step, SaslStep::Challenge(b"Password:".to_vec()));
    assert_eq!(exchange.respond(b""), SaslStep::Failed(Failure::Malformed));
}

/// RFC 7677 section 3, server and client.
#[test]
fn scram_vector() {
    let password = "pencil";
    let salt = scram::decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("base64");
    let keys = ScramKeys {
        salt: salt.clone(),
        iterations: 4096,
        keys: vec![
            scram::derive(b"other", &salt, 4096),
            scram::derive(password.as_bytes(), &salt, 4096),
        ],
    };
    let policy = Policy {
        tls: None,
        allow_plaintext: true,
    };
    let server_nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    let first = scram::encode(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    let (mut exchange, step) = Exchange::begin_with_nonce(
        "SCRAM-SHA-256",
        Some(first.as_bytes()),
        &policy,
        server_nonce.into(),
    )
    .expect("begins");
    assert_eq!(
        step,
        SaslStep::Ask(SaslAsk::Keys {
            authcid: "user".into()
        })
    );
    let server_first =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    assert_eq!(
        exchange.answer(SaslAnswer::Keys(keys)),
        SaslStep::Challenge(server_first.into())
    );
    let client_final = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    let step = exchange.respond(scram::encode(client_final.as_bytes()).as_bytes());
    let authcid = "user".to_owned();
    assert_eq!(
        step,
        SaslStep::Ask(SaslAsk::Decided {
            authcid,
            matched: Some(1)
        })
    );
    let server_final = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
    assert_eq!(
        exchange.answer(SaslAnswer::Granted),
        SaslStep::Challenge(server_final.into())
    );
    assert_eq!(exchange.respond(b""), SaslStep::Granted("user".into()));

    let (client, message) = client::Scram::with_nonce(
        "user",
        Secret::new(password),
        ("n,,".into(), Vec::new()),
        "rOprNGfwEbeRWgbNEkqO".into(),
    );
    assert_eq!(message, b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    let (client, message) = client.prove(server_first.as_bytes()).expect("good server");
    assert_eq!(message, client_final.as_bytes());
    assert_eq!(client.verify(server_final.as_bytes()), Ok(()));
    assert!(client.verify(b"v=AAAA").is_err());
}

/// Client and server over one channel; what the service heard last and how it ended.
fn converse(tls: &TlsInfo, mechanism: &str, plus: Option<&TlsInfo>, secret: &str) -> SaslStep {
    let salt = scram::salt().to_vec();
    let key = scram::derive("mật khẩu".as_bytes(), &salt, 4096);
    let keys = ScramKeys {
        salt,
        iterations: 4096,
        keys: vec![key],
    };
    let (client, first) =
        client::Scram::begin("an,=@a.test", Secret::new(secret), plus).expect("binds");
    let (_, step) = begin(mechanism, &first, tls);
    // The name's comma is not in the allow-list: it ends here for names like that.
    assert_eq!(step, SaslStep::Failed(Failure::Malformed));
    drop(client);
    let (client, first) =
        client::Scram::begin("an=x@a.test", Secret::new(secret), plus).expect("binds");
    let (mut server, step) = begin(mechanism, &first, tls);
    let SaslStep::Ask(SaslAsk::Keys { authcid }) = &step else {
        return step;
    };
    assert_eq!(authcid, "an=x@a.test");
    let SaslStep::Challenge(challenge) = server.answer(SaslAnswer::Keys(keys)) else {
        panic!("a challenge follows the keys");
    };
    let (client, proof) = client.prove(&challenge).expect("good server");
    let step = server.respond(scram::encode(&proof).as_bytes());
    let SaslStep::Ask(SaslAsk::Decided {
        matched: Some(0), ..
    }) = step
    else {
        return step;
    };
    let SaslStep::Challenge(signature) = server.answer(SaslAnswer::Granted) else {
        panic!("the signature follows the grant");
    };
    client
        .verify(&signature)
        .expect("the server knows the password");
    server.respond(b"")
}

#[test]
fn scram_binds_the_channel() {
    let granted = || SaslStep::Granted("an=x@a.test".into());
    let refused = || SaslStep::Failed(Failure::Refused);
    let exporter = tls(Some(&[7; 32]), None);
    let other = tls(Some(&[8; 32]), None);
    let end_point = tls(None, Some(&[9; 32]));
    let plus = "SCRAM-SHA-256-PLUS";
    let nfd = "ma\u{323}\u{302}t kha\u{302}\u{309}u";
    assert_eq!(converse(&exporter, plus, Some(&exporter), nfd), granted());
    assert_eq!(
        converse(&end_point, plus, Some(&end_point), "mật khẩu"),
        granted()
    );
    assert_eq!(
        converse(&exporter, "SCRAM-SHA-256", None, "mật khẩu"),
        granted()
    );
    // A man in the middle has another channel on each side.
    assert_eq!(
        converse(&exporter, plus, Some(&other), "mật khẩu"),
        refused()
    );
    assert_eq!(
        converse(&end_point, plus, Some(&exporter), "mật khẩu"),
        refused()
    );
    assert_eq!(converse(&exporter, plus, None, "mật khẩu"), refused());
    assert_eq!(
        converse(&exporter, "SCRAM-SHA-256", Some(&exporter), "mật khẩu"),
        refused()
    );
    let authcid = "an=x@a.test".to_owned();
    let wrong = SaslStep::Ask(SaslAsk::Decided {
        authcid,
        matched: None,
    });
    assert_eq!(converse(&exporter, plus, Some(&exporter), "sai"), wrong);
}

#[test]
fn scram_refuses_downgrades_and_other_names() {
    let bound = tls(Some(b"x"), None);
    let unbound = tls(None, None);
    for (channel, message, expected) in [
        (&bound, "y,,n=an,r=abc", Some(Failure::Refused)),
        (&unbound, "y,,n=an,r=abc", None),
        (&unbound, "n,a=an,n=an,r=abc", None),
        (&unbound, "n,a=binh,n=an,r=abc", Some(Failure::Refused)),
        (&unbound, "p=tls-unique,,n=an,r=abc", Some(Failure::Refused)),
        (&unbound, "n,,n=an,r=", Some(Failure::Malformed)),
    ] {
        let (_, step) = begin("SCRAM-SHA-256", message.as_bytes(), channel);
        match expected {
            Some(failure) => assert_eq!(step, SaslStep::Failed(failure), "{message}"),
            None => assert_eq!(
                step,
                SaslStep::Ask(SaslAsk::Keys {
                    authcid: "an".into()
                }),
                "{message}"
            ),
        }
    }
}

#[test]
fn a_grant_without_a_proof_lets_nobody_in() {
    let channel = tls(None, None);
    let (mut exchange, _) = begin("SCRAM-SHA-256", b"n,,n=an,r=abc", &channel);
    assert_eq!(
        exchange.answer(SaslAnswer::Granted),
        SaslStep::Denied(Denial::Unavailable)
    );
    let (mut exchange, _) = begin("SCRAM-SHA-256", b"n,,n=an,r=abc", &channel);
    let keys = ScramKeys {
        salt: vec![1; 16],
        iterations: 4096,
        keys: Vec::new(),
    };
    let SaslStep::Challenge(first) = exchange.answer(SaslAnswer::Keys(keys)) else {
        panic!("a challenge follows the keys");
    };
    let nonce = String::from_utf8(first).expect("text");
    let nonce = nonce.split(',').next().expect("nonce");
    let last = format!("c=biws,{nonce},p={}", scram::encode(&[0; 32]));
    let step = exchange.respond(scram::encode(last.as_bytes()).as_bytes());
    let authcid = "an".to_owned();
    assert_eq!(
        step,
        SaslStep::Ask(SaslAsk::Decided {
            authcid,
            matched: None
        })
    );
    assert_eq!(
        exchange.answer(SaslAnswer::Granted),
        SaslStep::Denied(Denial::Unavailable)
    );
}

/// Whatever a client sends, the exchange neither panics nor grants anything that the service did not.
#[test]
fn any_octets_end_the_exchange_quietly() {
    const PIECES: &[&[u8]] = &[
        b"n,,",
        b"y,,",
        b"p=tls-exporter,,",
        b"a=an,",
        b"n=an",
        b",r=",
        b"abc",
        b"m=x,",
        b"c=biws",
        b",p=",
        b"AAAA",
        b"=2C",
        b"=",
        b",",
        b"\0",
        b"an@a.test",
        b"\xff",
        b"\xc3",
        b"\r\n",
        b"*",
        b"",
    ];
    let first = fastrand::u64(..);
    println!("first seed {first}");
    let channel = tls(Some(&[1; 32]), None);
    for seed in (0..5_000).map(|offset| first.wrapping_add(offset)) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mechanism = *rng.choice(&Mechanism::ALL).expect("not empty");
        let policy = Policy {
            tls: Some(&channel),
            allow_plaintext: false,
        };
        let mut line = || {
            let pieces = rng.usize(..8);
            let octets: Vec<u8> = (0..pieces)
                .flat_map(|_| rng.choice(PIECES).expect("not empty").to_vec())
                .collect();
            match rng.u8(..) {
                0..20 => octets,
                _ => scram::encode(&octets).into_bytes(),
            }
        };
        let initial = line();
        let begun = Exchange::begin(mechanism.as_str(), Some(&initial), &policy);
        let (mut exchange, mut step) = begun.expect("offered");
        for _ in 0..8 {
            step = match step {
                SaslStep::Challenge(_) => exchange.respond(&line()),
                SaslStep::Ask(SaslAsk::Keys { .. }) => {
                    let salt = vec![1; 16];
                    let keys = vec![scram::derive(b"secret", &salt, 1)];
                    exchange.answer(SaslAnswer::Keys(ScramKeys {
                        salt,
                        iterations: 4096,
                        keys,
                    }))
                }
                SaslStep::Ask(SaslAsk::Decided { matched, .. }) => {
                    assert_eq!(matched, None, "seed {seed}");
                    exchange.answer(SaslAnswer::Denied(Denial::Credentials))
                }
                SaslStep::Ask(SaslAsk::Password { authcid, password }) => {
                    assert_eq!(name(authcid.as_bytes()), Some(authcid), "seed {seed}");
                    assert!(!password.expose().is_empty(), "seed {seed}");
                    exchange.answer(SaslAnswer::Denied(Denial::Credentials))
                }
                SaslStep::Granted(_) => panic!("granted; seed {seed}"),
                SaslStep::Denied(_) | SaslStep::Failed(_) => {
                    // Over is over.
                    let after = exchange.respond(b"AGFuQGEudGVzdAB4");
                    assert_eq!(after, SaslStep::Failed(Failure::Malformed), "seed {seed}");
                    break;
                }
            };
        }
    }
}
