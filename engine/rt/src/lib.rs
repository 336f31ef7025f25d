//! The one module that knows the async runtime: spawn, sleep, TCP, blocking calls, wakes.
