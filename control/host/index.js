/**
 * Picks what the library runs on.
 *
 * A host is an object with
 *   request({host, port, method, path, headers, body, timeoutms}) → Promise<{status, body}>, rejects with `error.unsent` true
 *                                                                    if the server cannot have seen the request
 *     request.send(server, method, path, body, timeoutms, {done(status, body), failed(error)})  optional: the same without a promise
 *   listen({host, port}, handler) → Promise<{port, close()}>; handler({method, path, headers, body, parts?}) → {status, body?, headers?} or a promise of it
 *   picker(fields) → function(text)   optional: some fields of a JSON text quickly, see pick.js; `!path` is no field: a text that has it
 *                                     is left to who reads all of it
 *   resolve(name) → Promise<string[]>  optional: addresses of a name
 *   timer(ms, callback) → function that cancels it
 *   defer(callback)      runs it after what is running now and after answers have been written
 *   log(level, text)     level is error, warn, info or debug
 *   now()                milliseconds since 1970
 *   defaults             {us?, sip?, rtp?}: addresses given from outside the script
 *   keep(kind, object, before)  optional: told an object of each kind that calls make all the time, for engines that gain by knowing one
 *   blame(error, callback)  optional: a better error where the engine could not make one
 *   guard(report)        called once by `run`: hand errors that nobody caught to `report(error, where)`
 */
"use strict";

module.exports = typeof globalThis.mediaswitchhost === "object" ? require("./embedded.js") : require("./node.js");
