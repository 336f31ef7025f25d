/**
 * The library's host on Node: node:http both ways.
 *
 * Shape:  connections to servers are kept open, at most 64 to each; bodies are bounded (1 MiB in, 16 MiB of an answer).
 * Units:  milliseconds and bytes.
 * Errors: `request` rejects with `error.unsent` true if the server cannot have seen it: no connection was made, or a kept
 *         connection turned out to be closed before a byte of an answer. `listen` rejects with the system's error.
 */
"use strict";

const http = require("node:http");
const { lookup } = require("node:dns").promises;

const BODY_MAX = 1 << 20;
const ANSWER_MAX = 16 << 20;
const REQUEST_LIMIT_MS = 10_000;
const KEEP_MS = 75_000;
const UNSENT = new Set(["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "ENOTFOUND", "EAI_AGAIN", "EADDRNOTAVAIL"]);

const agent = new http.Agent({ keepAlive: true, maxSockets: 64, maxFreeSockets: 64 });

function request({ host, port, method, path, headers, body, timeoutms }) {
  return new Promise((resolve, reject) => {
    const all = body === undefined ? headers : { ...headers, "content-length": Buffer.byteLength(body) };
    const outgoing = http.request({ host, port, method, path, headers: all, agent });
    const limit = setTimeout(() => outgoing.destroy(new Error(`no answer within ${timeoutms} ms`)), timeoutms);
    const fail = (error) => {
      clearTimeout(limit);
      error.unsent = UNSENT.has(error.code) || (outgoing.reusedSocket && error.code === "ECONNRESET");
      reject(error);
    };
    outgoing.on("error", fail);
    outgoing.on("response", (incoming) => {
      collect(incoming, ANSWER_MAX).then((text) => {
        clearTimeout(limit);
        resolve({ status: incoming.statusCode, body: text });
      }, fail);
    });
    outgoing.end(body);
  });
}

function listen({ host, port }, handler) {
  const server = http.createServer({ requestTimeout: REQUEST_LIMIT_MS, headersTimeout: REQUEST_LIMIT_MS, keepAliveTimeout: KEEP_MS });
  server.on("request", (incoming, outgoing) => {
    answer(incoming, handler).then(
      ({ status, headers = {}, body = "" }) => {
        outgoing.writeHead(status, { ...headers, "content-length": Buffer.byteLength(body) });
        outgoing.end(body);
      },
      () => outgoing.destroy(),
    );
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve({ port: server.address().port, close: () => close(server) });
    });
  });
}

function close(server) {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections?.();
  });
}

async function answer(incoming, handler) {
  const body = await collect(incoming, BODY_MAX).catch((error) => {
    if (error.code === "TOOLARGE") return undefined;
    throw error;
  });
  if (body === undefined) {
    return { status: 413, headers: { connection: "close" }, body: JSON.stringify({ error: "too_large", detail: `a body has at most ${BODY_MAX} bytes` }) };
  }
  return handler({ method: incoming.method, path: incoming.url, headers: incoming.headers, body });
}

/** Text of a message; each message has its own buffer, so bodies of concurrent requests cannot mix. */
function collect(message, max) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    let bytes = 0;
    message.on("data", (chunk) => {
      bytes += chunk.length;
      if (bytes > max) {
        message.removeAllListeners("data").resume();
        reject(Object.assign(new Error(`more than ${max} bytes`), { code: "TOOLARGE" }));
      } else chunks.push(chunk);
    });
    message.on("end", () => resolve(Buffer.concat(chunks).toString()));
    message.on("error", reject);
    message.on("aborted", () => reject(new Error("connection closed in the middle of a message")));
  });
}

async function resolve(name) {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

function timer(ms, callback) {
  const handle = setTimeout(callback, ms);
  return () => clearTimeout(handle);
}

function log(level, text) {
  const line = `${new Date().toISOString()} ${level} ${text}`;
  if (level === "error" || level === "warn") console.error(line);
  else if (level === "info") console.log(line);
  else if (process.env.PROJECTCONTROL_DEBUG) console.log(line);
}

/** A script error in a timer must not drop everybody's calls; a script that has its own handlers keeps them. */
function guard(report) {
  if (process.listenerCount("uncaughtException") === 0) process.on("uncaughtException", (error) => report(error, "uncaught error"));
  if (process.listenerCount("unhandledRejection") === 0) process.on("unhandledRejection", (error) => report(error, "unhandled rejection"));
}

module.exports = {
  name: "node",
  request,
  listen,
  resolve,
  timer,
  defer: (callback) => void setImmediate(callback),
  log,
  now: () => Date.now(),
  guard,
  defaults: {
    us: process.env.PROJECTCONTROL_US,
    sip: process.env.PROJECTCONTROL_SIP,
    rtp: process.env.PROJECTCONTROL_RTP,
  },
};
