//! Hosts the JavaScript call library in QuickJS.
