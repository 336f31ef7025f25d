//! The wire as a whole: what is taken, what is refused, and that pieces make no difference.

use proptest::prelude::*;

use super::*;

const SMALL: Limits = Limits { head_bytes_max: 512, body_bytes_max: 64, trailer_bytes_max: 64 };

/// All that comes out of `bytes` pushed in pieces of `step`; `Continue` left out, it depends on the pieces.
fn read_in(bytes: &[u8], step: usize, limits: Limits) -> (Vec<Request>, Option<WireError>) {
    let mut reader = RequestReader::new(limits);
    let mut requests = Vec::new();
    for piece in bytes.chunks(step.max(1)) {
        reader.handle_bytes(piece);
        loop {
            match reader.poll_input() {
                Ok(Input::Request(request)) => requests.push(*request),
                Ok(Input::Continue) => {}
                Ok(Input::More) => break,
                Err(error) => return (requests, Some(error)),
            }
        }
    }
    (requests, None)
}

fn one(bytes: &str) -> Result<Request, WireError> {
    match read_in(bytes.as_bytes(), usize::MAX, SMALL) {
        (mut requests, None) if requests.len() == 1 => Ok(requests.remove(0)),
        (_, Some(error)) => Err(error),
        (requests, None) => panic!("{} requests in {bytes:?}", requests.len()),
    }
}

fn answer(bytes: &[u8], step: usize, method: Method, eof: bool) -> Result<Option<Answer>, WireError> {
    let mut reader = ResponseReader::new(method, SMALL);
    for piece in bytes.chunks(step.max(1)) {
        reader.handle_bytes(piece);
        if let Some(answer) = reader.poll_answer()? {
            return Ok(Some(answer));
        }
    }
    if eof {
        reader.handle_eof()?;
    }
    reader.poll_answer()
}

const GET: &str = "GET /dir/a%2Fb?x=%41 HTTP/1.1\r\nHost: h\r\n\r\n";
const PUT: &str = "PUT /dir/a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED: &str =
    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x=\"y\"\r\nhel\r\n02 \t; z\r\nlo\r\n0\r\nDigest: none\r\n\r\n";

#[test]
fn a_request_comes_out_whole() {
    let get = one(GET).unwrap();
    assert_eq!((get.method, get.version, get.keep_alive), (Method::Get, Version::Http11, true));
    assert_eq!(get.path.segments().collect::<Vec<_>>(), ["dir", "a/b"]);
    assert_eq!((get.query.as_str(), get.query_value("x").as_deref()), ("x=%41", Some("A")));
    assert_eq!(get.headers.first("HOST"), Some("h"));
    assert_eq!(one(PUT).unwrap().body, b"hello");
    assert_eq!(one(CHUNKED).unwrap().body, b"hello");
}

#[test]
fn pipelined_requests_come_out_in_order() {
    let (requests, error) = read_in([PUT, GET, CHUNKED, "\r\n", GET].concat().as_bytes(), usize::MAX, SMALL);
    assert_eq!(error, None);
    assert_eq!(requests.iter().map(|r| r.method).collect::<Vec<_>>(), [Method::Put, Method::Get, Method::Post, Method::Get]);
}

#[test]
fn keep_alive_follows_version_and_connection() {
    for (version, connection, keep) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: Foo, CLOSE\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let request = one(&format!("GET / HTTP/{version}\r\nHost: h\r\n{connection}\r\n")).unwrap();
        assert_eq!(request.keep_alive, keep, "{version} {connection}");
    }
}

#[test]
fn targets_in_every_form_are_read() {
    for (target, path) in [
        ("/", vec![]),
        ("/reg/", vec!["reg"]),
        ("//x", vec!["", "x"]),
        ("http://other:1/dir/x?q", vec!["dir", "x"]),
        ("HTTP://other", vec![]),
        ("http://other?q", vec![]),
        ("/a+b", vec!["a+b"]),
        ("/%E2%82%AC", vec!["€"]),
    ] {
        let request = one(&format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")).unwrap();
        assert_eq!(request.path.segments().collect::<Vec<_>>(), path, "{target}");
    }
    assert!(one("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").is_ok());
    for target in
        ["*", "host:80", "https://h/", "/%", "/%2", "/%zz", "/%ff", "/%00", "/%0d%0aX", "/a#b", "/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7"]
    {
        let error = one(&format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")).unwrap_err();
        assert_eq!(error.status(), 400, "{target}: {error}");
    }
}

#[test]
fn what_two_parsers_could_read_differently_is_refused() {
    let length = "Content-Length: 5\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n";
    for head in [
        format!("{length}{chunked}"),
        format!("{chunked}{length}"),
        format!("{length}Content-Length: 6\r\n"),
        "Content-Length: 5, 6\r\n".into(),
        "Content-Length: +5\r\n".into(),
        "Content-Length: 5 5\r\n".into(),
        "Content-Length: 0x5\r\n".into(),
        "Content-Length: -1\r\n".into(),
        "Content-Length:\r\n".into(),
        "Content-Length : 5\r\n".into(),
        " Content-Length: 5\r\n".into(),
        "X: y\r\n folded\r\n".into(),
        "X: y\r\n\tfolded\r\n".into(),
        "X: y\nContent-Length: 5\r\n".into(),
        "X: y\rContent-Length: 5\r\n".into(),
        "X: y\0\r\n".into(),
        "X\r\n".into(),
        ": x\r\n".into(),
        "Transfer-Encoding: chunked, chunked\r\n".into(),
        "Transfer-Encoding: chunked, gzip\r\n".into(),
        "Transfer-Encoding: gzip\r\n".into(),
        "Transfer-Encoding: xchunked\r\n".into(),
        "Transfer-Encoding:\r\n".into(),
        format!("{chunked}Transfer-Encoding: identity\r\n"),
        "Host: other\r\n".into(),
    ] {
        let error = one(&format!("POST / HTTP/1.1\r\nHost: h\r\n{head}\r\nhello")).unwrap_err();
        assert_eq!(error.status(), 400, "{head:?}: {error}");
    }
    assert_eq!(one("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"), Err(WireError::Coding));
    assert_eq!(one("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap_err().status(), 400);
    assert_eq!(one("GET / HTTP/1.1\r\n\r\n"), Err(WireError::BadHead("no Host")));
    assert_eq!(one("GET / HTTP/1.1\n\n").unwrap_err().status(), 400);
    assert_eq!(one("GET / HTTP/2.0\r\nHost: h\r\n\r\n"), Err(WireError::Version));
    assert_eq!(one("PRI * HTTP/2.0\r\n\r\n"), Err(WireError::Version));
}

#[test]
fn equal_lengths_said_twice_are_one() {
    let request = one("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 5\r\nContent-Length: 05\r\n\r\nhello").unwrap();
    assert_eq!(request.body, b"hello");
}

#[test]
fn bad_chunks_are_refused() {
    let long = format!("5;{}\r\n", "x".repeat(300));
    let extensions = format!("1;{}\r\nx\r\n", "x".repeat(20)).repeat(4);
    for body in [
        "\r\n",
        "x\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-1\r\n",
        " 5\r\nhello",
        "5 \r\nhello",
        "5x\r\nhello",
        "5\nhello",
        "5\r\nhelloo\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhelloXX",
        "5;a\rb\r\nhello",
        "fffffffffffffffff\r\n",
        "0\r\nno colon\r\n\r\n",
        "0\r\n: x\r\n\r\n",
        "0\r\nx y: z\r\n\r\n",
        "0\r\nx: y\n\r\n",
        &long,
        &extensions,
    ] {
        let error = one(&format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{body}")).unwrap_err();
        assert!(matches!(error, WireError::BadChunk(_)), "{body:?}: {error}");
    }
    let trailers = format!("0\r\n{}\r\n", "X: yyyyyyyy\r\n".repeat(10));
    assert_eq!(one(&format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{trailers}")).unwrap_err().status(), 400);
}

#[test]
fn limits_hold_to_the_byte() {
    let head = |bytes: usize| {
        let rest = "GET / HTTP/1.1\r\nHost: h\r\nX: \r\n\r\n";
        format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "y".repeat(bytes - rest.len()))
    };
    assert!(one(&head(512)).is_ok());
    for step in [1, 7, usize::MAX] {
        assert_eq!(read_in(head(513).as_bytes(), step, SMALL).1, Some(WireError::HeadTooLarge { max: 512 }));
        assert_eq!(read_in(&[b'x'; 600], step, SMALL).1, Some(WireError::HeadTooLarge { max: 512 }));
    }
    let many = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "A: b\r\n".repeat(HEADERS_MAX));
    let limits = Limits::default();
    assert_eq!(read_in(many.as_bytes(), usize::MAX, limits).1, Some(WireError::TooManyHeaders { max: HEADERS_MAX }));

    let body = |bytes: usize| format!("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: {bytes}\r\n\r\n{}", "x".repeat(bytes));
    assert_eq!(one(&body(64)).unwrap().body.len(), 64);
    assert_eq!(one(&body(65)), Err(WireError::BodyTooLarge { max: 64 }));
    assert_eq!(one(&body(0)).unwrap().body.len(), 0);
    let digits = format!("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", "9".repeat(40));
    assert_eq!(one(&digits), Err(WireError::BodyTooLarge { max: 64 }));
    let chunks = |count: usize| {
        format!("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", "8\r\n12345678\r\n".repeat(count))
    };
    assert_eq!(one(&chunks(8)).unwrap().body.len(), 64);
    assert_eq!(one(&chunks(9)), Err(WireError::BodyTooLarge { max: 64 }));
}

#[test]
fn a_large_announcement_takes_no_memory() {
    let mut reader = RequestReader::new(Limits::default());
    reader.handle_bytes(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1048576\r\n\r\nx");
    assert_eq!(reader.poll_input(), Ok(Input::More));
    assert!(reader.memory_bytes() < 16 << 10, "{}", reader.memory_bytes());
}

#[test]
fn continue_is_asked_for_once_and_only_when_needed() {
    let head = b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n";
    let mut reader = RequestReader::new(SMALL);
    reader.handle_bytes(head);
    assert_eq!(reader.poll_input(), Ok(Input::Continue));
    assert_eq!(reader.poll_input(), Ok(Input::More));
    assert_eq!(reader.waiting_for(), Waiting::Body);
    reader.handle_bytes(b"he");
    assert_eq!(reader.poll_input(), Ok(Input::More));
    reader.handle_bytes(b"llo");
    assert!(matches!(reader.poll_input(), Ok(Input::Request(_))));

    let mut reader = RequestReader::new(SMALL);
    reader.handle_bytes(&[&head[..], b"h"].concat());
    assert_eq!(reader.poll_input(), Ok(Input::More), "the content has begun to arrive");
    assert_eq!(one("PUT / HTTP/1.1\r\nHost: h\r\nExpect: 200-ok\r\n\r\n"), Err(WireError::Expectation));
    assert!(one("PUT / HTTP/1.0\r\nExpect: 200-ok\r\n\r\n").is_ok());
}

#[test]
fn the_reader_says_what_it_waits_for() {
    let mut reader = RequestReader::new(SMALL);
    assert_eq!(reader.waiting_for(), Waiting::Idle);
    for (bytes, waiting) in [
        ("\r\n", Waiting::Head),
        ("G", Waiting::Head),
        ("ET / HTTP/1.1\r\nHost: h\r\n", Waiting::Head),
        ("Content-Length: 1\r\n\r\n", Waiting::Body),
    ] {
        reader.handle_bytes(bytes.as_bytes());
        assert_eq!(reader.poll_input(), Ok(Input::More));
        assert_eq!(reader.waiting_for(), waiting, "{bytes:?}");
    }
    reader.handle_bytes(b"x");
    assert!(matches!(reader.poll_input(), Ok(Input::Request(_))));
    assert_eq!(reader.waiting_for(), Waiting::Idle);
    reader.handle_bytes(&b"\r\n".repeat(5));
    assert!(reader.poll_input().is_err(), "no endless stream of empty lines");
}

#[test]
fn every_truncation_waits_or_fails_but_never_gives_a_request() {
    for whole in [GET, PUT, CHUNKED] {
        for end in 0..whole.len() {
            let (requests, error) = read_in(&whole.as_bytes()[..end], usize::MAX, SMALL);
            assert!(requests.is_empty() && error.is_none(), "{:?}", &whole[..end]);
        }
    }
    for whole in [OK, OK_CHUNKED] {
        for end in 0..whole.len() {
            assert_eq!(answer(&whole.as_bytes()[..end], usize::MAX, Method::Get, true), Err(WireError::Truncated));
        }
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const OK_CHUNKED: &str = "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";

#[test]
fn answers_to_requests_sent_ahead_are_told_apart() {
    let mut reader = ResponseReader::new(Method::Put, Limits::default());
    reader.handle_bytes(b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP");
    assert_eq!(reader.poll_answer().unwrap().unwrap().status, 204);
    assert!(reader.poll_answer().unwrap().is_none(), "the second has to be asked for");
    reader.next(Method::Put);
    assert_eq!(reader.poll_answer().unwrap().unwrap().body, b"ok");
    assert!(reader.has_rest(), "what stands behind the last");
}

#[test]
fn responses_are_framed_as_the_rfc_says() {
    let read = |bytes: &str, method| answer(bytes.as_bytes(), usize::MAX, method, true).unwrap().unwrap();
    for whole in
        [OK, OK_CHUNKED, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]
    {
        let answer = read(whole, Method::Get);
        assert_eq!((answer.status, answer.body.as_slice(), answer.keep_alive), (200, &b"ok"[..], true));
    }
    let until_close = read("HTTP/1.1 200 OK\r\n\r\nall of it", Method::Get);
    assert_eq!((until_close.body.as_slice(), until_close.keep_alive), (&b"all of it"[..], false));
    assert_eq!(read("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", Method::Head).body, b"");
    assert_eq!(read("HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", Method::Put).body, b"");
    assert!(!read("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", Method::Get).keep_alive);
    assert!(!read("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", Method::Get).keep_alive);
}

#[test]
fn hostile_responses_are_refused() {
    let endless = "HTTP/1.1 100 Continue\r\n\r\n".repeat(20);
    let big = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(65));
    for bytes in [
        "HTTP/1.1 99 x\r\n\r\n",
        "HTTP/1.1 20 x\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n",
        "HTTP/1.1 200 OK\n\n",
        &endless,
        &big,
    ] {
        assert!(answer(bytes.as_bytes(), usize::MAX, Method::Get, true).is_err(), "{bytes:?}");
    }
}

#[test]
fn a_written_response_reads_back() {
    let how = Written { head_only: false, version: Version::Http11, keep_alive: true, date: "Sun, 06 Nov 1994 08:49:37 GMT" };
    let mut bytes = Vec::new();
    let response = Response::with_body(503, "text/plain", "later").header("Retry-After", "1\r\nX-Evil: 1");
    response.write(&mut bytes, how);
    let back = answer(&bytes, 1, Method::Get, false).unwrap().unwrap();
    assert_eq!((back.status, back.body.as_slice(), back.keep_alive), (503, &b"later"[..], true));
    assert_eq!(back.headers.first("retry-after"), Some("1X-Evil: 1"));
    assert_eq!(back.headers.first("content-length"), Some("5"));

    bytes.clear();
    response.write(&mut bytes, Written { head_only: true, keep_alive: false, ..how });
    let back = answer(&bytes, 1, Method::Head, false).unwrap().unwrap();
    assert_eq!((back.headers.first("content-length"), back.body.len(), back.keep_alive), (Some("5"), 0, false));

    bytes.clear();
    Response::empty(204).write(&mut bytes, Written { version: Version::Http10, ..how });
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.ends_with("Connection: keep-alive\r\n\r\n") && !text.contains("Content-Length"), "{text}");
}

#[test]
fn numbers_are_written_as_the_library_does() {
    let powers = (0..20).map(|power| 10_u64.pow(power));
    for number in powers.flat_map(|power| [power - 1, power, power + 1]).chain([u64::MAX]) {
        let mut out = b"x".to_vec();
        super::push_number(&mut out, number);
        assert_eq!(String::from_utf8(out).unwrap(), format!("x{number}"));
    }
}

#[test]
fn a_written_request_reads_back() {
    let bytes = request_bytes(Method::Put, "h:1", "/dialog/a b\r\nX: y", &[("Content-Type", "application/json\r\nEvil: 1")], b"{}");
    let request = one(std::str::from_utf8(&bytes).unwrap()).unwrap();
    assert_eq!(request.path.segments().collect::<Vec<_>>(), ["dialog", "abX:y"]);
    assert_eq!((request.headers.first("evil"), request.body.as_slice()), (None, &b"{}"[..]));
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let near = prop::sample::select(vec![
        "GET ",
        "POST ",
        "/ ",
        "/a%41 ",
        "HTTP/1.1",
        "HTTP/1.0",
        "\r\n",
        "\n",
        "\r",
        "Host: h\r\n",
        "Content-Length: ",
        "3",
        "0",
        "Transfer-Encoding: chunked\r\n",
        "Connection: close\r\n",
        "Expect: 100-continue\r\n",
        "abc",
        ";x",
        ": ",
        " ",
        "\t",
        "\0",
        "ffff",
        "\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "5\r\nhello\r\n",
        "0\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
    ]);
    let piece = prop_oneof![8 => near.prop_map(|text| text.as_bytes().to_vec()), 1 => prop::collection::vec(any::<u8>(), 1..8)];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn any_bytes_in_any_pieces_give_the_same_requests(bytes in message(), step in 1usize..40) {
        let whole = read_in(&bytes, usize::MAX, SMALL);
        prop_assert_eq!(&read_in(&bytes, 1, SMALL), &whole);
        prop_assert_eq!(&read_in(&bytes, step, SMALL), &whole);
    }

    #[test]
    fn any_bytes_in_any_pieces_give_the_same_response(bytes in message(), step in 1usize..40) {
        let bytes = [b"HTTP/1.1 200 OK\r\n", bytes.as_slice()].concat();
        let strip = |result: Result<Option<Answer>, WireError>| result.map(|answer| answer.map(|a| (a.status, a.headers, a.body)));
        let whole = strip(answer(&bytes, usize::MAX, Method::Get, true));
        prop_assert_eq!(&strip(answer(&bytes, 1, Method::Get, true)), &whole);
        prop_assert_eq!(&strip(answer(&bytes, step, Method::Get, true)), &whole);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        read_in(&bytes, usize::MAX, SMALL);
        let _ = answer(&bytes, usize::MAX, Method::Get, true);
    }

    #[test]
    fn a_segment_survives_the_path(segments in prop::collection::vec("[^\\p{C}]{1,20}", 1..5)) {
        let mut target = String::new();
        for segment in &segments {
            target.push('/');
            Path::encode_segment(segment, &mut target);
        }
        let path = Path::decode(&target).unwrap();
        prop_assert_eq!(path.segments().collect::<Vec<_>>(), segments);
    }

    #[test]
    fn chunking_does_not_change_a_body(body in prop::collection::vec(any::<u8>(), 0..64), sizes in prop::collection::vec(1usize..9, 1..64)) {
        let mut bytes = b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        let mut rest = body.as_slice();
        for size in sizes.iter().cycle() {
            let (chunk, tail) = rest.split_at(*size.min(&rest.len()));
            if chunk.is_empty() { break; }
            bytes.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
            rest = tail;
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        let (requests, error) = read_in(&bytes, 5, SMALL);
        prop_assert_eq!(error, None);
        prop_assert_eq!(&requests[0].body, &body);
    }
}
