//! The functions that the engine gives to `js/prelude.js`: everything a script can do beyond computing.
//!
//! ```text
//!   request(id, host, port, method, path, [name, value …], body, ms)     listen(id, server, host, port)   unlisten(id, server)
//!   origin(host, port, [name, value …], [name, value …]) ─► number or undefined     send(id, number, method, path, body, ms)
//!   respond(id, status, [name, value …], body)  done(id, status)     timer(id, ms)  untimer(id)     log(level, text)     deferred()  stopped()  collected()
//!   hidden(object, at, other) ─► how many private names it has     lookup(id, name)      picker(fields) ─► a function of a JSON text, see pick.rs     parse(text) ─► its value, see json.rs
//!   source(path)  resolve(directory, name)  compile(source, path)
//! ```
//! Shape:  numbers are counted by the prelude and stay under 2^53.
//! Errors: `resolve`, `source` and `compile` throw; the others tell by the number.
//! Not here: `now` is `Date.now`, which QuickJS has.

use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use control_http::client::Url;
use control_http::wire::{Method, Response};
use rquickjs::context::EvalOptions;
use rquickjs::function::Args;
use rquickjs::object::{Filter, Property};
use rquickjs::prelude::{Func, Opt};
use rquickjs::{Atom, Ctx, Exception, Function, Object, Result, Value};

use crate::json;
use crate::pick::{Found, Spec};
use crate::resolve;
use crate::shared::{Ask, Id, Origin, Shared};

/// The object that the prelude gets.
pub fn functions<'js>(ctx: &Ctx<'js>, shared: &Rc<Shared>, script: &str, memory_bytes: usize) -> Result<Object<'js>> {
    let native = Object::new(ctx.clone())?;
    native.set("script", script)?;
    native.set("version", env!("CARGO_PKG_VERSION"))?;
    native.set("started", SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1000.0)?;
    network(&native, shared)?;

    let timers = Rc::clone(shared);
    native
        .set("timer", Func::from(move |id: f64, ms: f64| timers.timers.borrow_mut().start(number(id), milliseconds(ms), Instant::now())))?;
    let timers = Rc::clone(shared);
    native.set("untimer", Func::from(move |id: f64| timers.timers.borrow_mut().cancel(number(id))))?;
    let stopped = Rc::clone(shared);
    let waiting = Rc::clone(shared);
    native.set("deferred", Func::from(move || waiting.deferred.set(true)))?;
    let told = Rc::clone(shared);
    native.set("collected", Func::from(move || told.collected.set(true)))?;
    native.set("stopped", Func::from(move || stopped.stopped.open()))?;
    native.set("log", Func::from(move |level: String, text: String| log(&level, &text, memory_bytes)))?;

    native
        .set("resolve", Func::from(|ctx: Ctx<'js>, directory: String, name: String| thrown(&ctx, resolve::resolve(&directory, &name))))?;
    native.set("hidden", Func::from(|of: Object<'js>, at: usize, to: Opt<Object<'js>>| hidden(&of, at, to.0)))?;
    native.set("picker", Func::from(|ctx: Ctx<'js>, fields: String| picker(&ctx, &fields)))?;
    let parse = |ctx: Ctx<'js>, text: rquickjs::String<'js>| json::read(&ctx, text.to_cstring()?.as_str());
    native.set("parse", Func::from(parse))?;
    let reader = Rc::clone(shared);
    native.set(
        "source",
        Func::from(move |ctx: Ctx<'js>, path: String| {
            reader.files.borrow_mut().insert(path.clone());
            thrown(&ctx, resolve::source(&path))
        }),
    )?;
    native.set("compile", Func::from(|ctx: Ctx<'js>, source: String, path: String| compile(&ctx, source, path)))?;
    Ok(native)
}

fn network<'js>(native: &Object<'js>, shared: &Rc<Shared>) -> Result<()> {
    let asker = Rc::clone(shared);
    let request = move |id: f64, host: String, port: u16, method: String, path: String, headers: Vec<String>, body: String| {
        let mut headers: Vec<_> = pairs(headers).collect();
        // Eight arguments are one more than a closure may take: the time limit comes as the last header.
        let limit = headers.pop().map_or(Duration::ZERO, |(_, ms)| milliseconds(ms.parse().unwrap_or_default()));
        let url = Url::parse(&format!("{}{path}", base(&host, port)));
        asker.ask(Ask { id: number(id), url, method: Method::of(&method), headers: headers.into(), body, limit });
    };
    native.set("request", Func::from(request))?;
    let known = Rc::clone(shared);
    let origin = move |host: String, port: u16, bare: Vec<String>, full: Vec<String>| {
        let headers = [bare, full].map(|flat| pairs(flat).collect());
        // What is no server stays unknown, and is refused at each request.
        known.origin(Origin { base: Url::parse(&base(&host, port)).ok()?, headers })
    };
    native.set("origin", Func::from(origin))?;
    let sender = Rc::clone(shared);
    let send = move |id: f64, origin: usize, method: String, path: String, body: Option<String>, ms: f64| {
        let Some(origin) = sender.origin_of(origin) else { return };
        let [bare, full] = &origin.headers;
        let headers = Rc::clone(if body.is_some() { full } else { bare });
        let url = origin.base.with_target(&path);
        let (method, body) = (Method::of(&method), body.unwrap_or_default());
        sender.ask(Ask { id: number(id), url, method, headers, body, limit: milliseconds(ms) });
    };
    native.set("send", Func::from(send))?;
    let listener = Rc::clone(shared);
    native.set(
        "listen",
        Func::from(move |id: f64, server: f64, host: String, port: u16| {
            // Detached: the script is told how it ends.
            drop(rt::spawn_local(Rc::clone(&listener).listen(number(id), number(server), host, port)));
        }),
    )?;
    let listener = Rc::clone(shared);
    native.set(
        "unlisten",
        Func::from(move |id: f64, server: f64| {
            // Detached: the same.
            drop(rt::spawn_local(Rc::clone(&listener).unlisten(number(id), number(server))));
        }),
    )?;
    let resolver = Rc::clone(shared);
    native.set(
        "lookup",
        Func::from(move |id: f64, name: String| {
            // Detached: the same.
            drop(rt::spawn_local(Rc::clone(&resolver).look_up(number(id), name)));
        }),
    )?;
    let responder = Rc::clone(shared);
    native.set("done", Func::from(move |id: f64, status: u16| responder.respond(number(id), Response::empty(status.clamp(200, 599)))))?;
    let responder = Rc::clone(shared);
    native.set(
        "respond",
        Func::from(move |id: f64, status: u16, headers: Vec<String>, body: String| {
            responder.respond(number(id), response(status, headers, body));
        }),
    )
}

fn base(host: &str, port: u16) -> String {
    if host.contains(':') { format!("http://[{host}]:{port}") } else { format!("http://{host}:{port}") }
}

/// How many private names an object has; the one at this place is given to the other too, as its class would.
fn hidden<'js>(of: &Object<'js>, at: usize, to: Option<Object<'js>>) -> Result<usize> {
    let names = of.own_keys(Filter::new().private()).collect::<Result<Vec<Atom<'js>>>>()?;
    if let (Some(to), Some(name)) = (to, names.get(at)) {
        let value = Value::new_undefined(to.ctx().clone());
        to.prop(name.clone(), Property::from(value).writable().enumerable().configurable())?;
    }
    Ok(names.len())
}

/// A function that finds these fields in a JSON text, and gives what another makes of them; `undefined` where it has to be read whole.
/// A list made by that one has its size at once; made here it would grow with each element.
fn picker<'js>(ctx: &Ctx<'js>, fields: &str) -> Result<Function<'js>> {
    let spec = Spec::new(fields);
    Function::new(ctx.clone(), move |ctx: Ctx<'js>, text: rquickjs::String<'js>, list: Function<'js>| {
        let text = text.to_cstring()?;
        let Some(found) = spec.pick(text.as_str()) else { return Ok(Value::new_undefined(ctx)) };
        let mut values = Args::new(ctx.clone(), found.len());
        for one in found {
            values.push_arg(match one {
                Found::Missing => Value::new_undefined(ctx.clone()),
                Found::Null => Value::new_null(ctx.clone()),
                Found::Truth(truth) => Value::new_bool(ctx.clone(), truth),
                Found::Number(number) => Value::new_number(ctx.clone(), number),
                Found::Text(text) | Found::Raw(text) => rquickjs::String::from_str(ctx.clone(), text)?.into_value(),
            })?;
        }
        list.call_arg::<Value<'js>>(values)
    })
}

/// A module's function, its errors with the lines of the file: the wrapper opens on the first line and adds none before it.
fn compile<'js>(ctx: &Ctx<'js>, source: String, path: String) -> Result<Function<'js>> {
    let source = if source.starts_with("#!") { format!("//{source}") } else { source };
    let mut options = EvalOptions::default();
    // Modules are sloppy unless they say otherwise, as on Node.
    options.strict = false;
    options.filename = Some(path);
    ctx.eval_with_options(format!("(function (exports, require, module, __filename, __dirname) {{{source}\n}})"), options)
}

fn response(status: u16, headers: Vec<String>, body: String) -> Response {
    let mut response = Response::empty(status.clamp(200, 599));
    for (name, value) in pairs(headers) {
        match name.to_ascii_lowercase().as_str() {
            "content-type" => {
                response.content_type = Some(if value.contains("json") { "application/json" } else { "text/plain; charset=utf-8" });
            }
            "allow" => response = response.header("Allow", value),
            "retry-after" => response = response.header("Retry-After", value),
            "connection" => response.close = value.eq_ignore_ascii_case("close"),
            other => tracing::debug!(target: "script", "the header {other} of an answer is not sent"),
        }
    }
    response.body = body.into_bytes();
    response
}

fn log(level: &str, text: &str, memory_bytes: usize) {
    match level {
        // The engine's own words leave out how much there was.
        "error" if text.contains(NO_MEMORY) => {
            tracing::error!(target: "script", "{text}\n    (the limit of a script is {} MiB)", memory_bytes >> 20);
        }
        "error" => tracing::error!(target: "script", "{text}"),
        "warn" => tracing::warn!(target: "script", "{text}"),
        "info" => tracing::info!(target: "script", "{text}"),
        _ => tracing::debug!(target: "script", "{text}"),
    }
}

fn thrown<T>(ctx: &Ctx<'_>, result: std::result::Result<T, String>) -> Result<T> {
    result.map_err(|message| Exception::throw_message(ctx, &message))
}

fn pairs(flat: Vec<String>) -> impl Iterator<Item = (String, String)> {
    let mut flat = flat.into_iter();
    std::iter::from_fn(move || Some((flat.next()?, flat.next()?)))
}

/// JavaScript counts in doubles; ours are whole, positive and small.
pub fn number(id: f64) -> Id {
    id as Id
}

/// A wait that JavaScript asks for; beyond 50 days it is as good as none.
fn milliseconds(ms: f64) -> Duration {
    Duration::try_from_secs_f64((ms / 1000.0).clamp(0.0, LONG_SECONDS)).unwrap_or_default()
}

const NO_MEMORY: &str = "InternalError: out of memory";
const LONG_SECONDS: f64 = 50.0 * 86_400.0;
