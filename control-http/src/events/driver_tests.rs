//! The driver against a real control server on 127.0.0.1.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use sip::api::EventKind;

use super::tests::{call, to};
use super::{EventConfig, Events};

/// A control server that notes what it is told and answers as the test says.
#[derive(Default)]
struct Control {
    told: RefCell<Vec<(String, u64)>>,
    status: Cell<u16>,
}

impl crate::server::Handler for Control {
    async fn handle(&self, request: crate::wire::Request) -> crate::wire::Response {
        let path: Vec<&str> = request.path.segments().collect();
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        self.told.borrow_mut().push((path.join("/"), body["seq"].as_u64().unwrap_or(0)));
        crate::wire::Response::empty(self.status.get())
    }
}

#[test]
fn the_driver_tells_a_real_control_server_and_the_core_when_it_cannot() {
    rt::run_test(async {
        let listener = rt::TcpListener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let url = format!("http://{}", listener.local_addr());
        let control = Rc::new(Control { status: Cell::new(503), ..Control::default() });
        let (stop, server_stop) = (rt::Latch::new(), rt::Latch::new());
        let config = crate::server::ServerConfig::default();
        drop(rt::spawn_local(crate::server::serve(listener, Rc::clone(&control), config, Rc::default(), server_stop.clone())));

        let client = Rc::new(crate::client::Client::new(crate::client::ClientConfig::default(), Rc::default()));
        let failed = Rc::new(RefCell::new(Vec::new()));
        let noted = Rc::clone(&failed);
        let quick = EventConfig { pause_min: Duration::from_millis(20), new_call: Duration::from_millis(300), ..EventConfig::default() };
        let events = Events::new(quick, client, move |trouble| {
            if let super::Trouble::Failed(callid) = trouble {
                noted.borrow_mut().push(callid.to_owned());
            }
        });
        let running = rt::spawn_local(Rc::clone(&events).run(stop.clone(), Duration::from_secs(1)));

        events.push(to(&url, call("c 1", 1, EventKind::New)));
        while control.told.borrow().len() < 2 {
            rt::sleep(Duration::from_millis(1)).await;
        }
        control.status.set(204);
        events.push(to(&url, call("c 1", 2, EventKind::Answered)));
        events.push(to("http://127.0.0.1:1", call("away", 1, EventKind::New)));
        while failed.borrow().is_empty() || control.told.borrow().last().is_none_or(|(_, seq)| *seq != 2) {
            rt::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(failed.take(), ["away"]);
        let told = control.told.take();
        assert_eq!((&told[0], told.last().unwrap()), (&("dialog/c 1".to_owned(), 1), &("dialog/c 1".to_owned(), 2)));
        assert!(told.len() > 2 && told.is_sorted(), "{told:?}");

        events.push(to(&url, call("c 1", 3, EventKind::Hangup)));
        stop.open();
        running.await;
        assert_eq!(control.told.take(), [("dialog/c 1".to_owned(), 3)], "the last end goes out before the stop");
        assert_eq!(events.report()["failed_calls_total"], 1);
        server_stop.open();
    });
}
