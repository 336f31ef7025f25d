/**
 * Where a server's HTTP is, however a script writes it.
 *
 *   "http://127.0.0.1:9002"  "rtp.example:9002"  "[::1]"  {host, port, token?} ─► {host, port, …}
 *
 * Errors: `TypeError` for what is none of these.
 */
"use strict";

const FORM = /^(?:http:\/\/)?(\[[^\]]+\]|[^:/,]+)(?::(\d+))?\/?$/;

/** @param {string|object|undefined} given @param {number} port The one to take if none is given. */
function address(given, port) {
  if (typeof given === "object" && given !== null) return { host: "127.0.0.1", port, ...given };
  if (typeof given !== "string" || given === "") return { host: "127.0.0.1", port };
  const match = given.trim().match(FORM);
  if (!match) throw new TypeError(`"${given}" is not an address: http://host:port`);
  return { host: match[1].replace(/^\[|\]$/g, ""), port: match[2] === undefined ? port : Number(match[2]) };
}

/** One address as such an object; several, a list or a text with commas, as a list of them. */
address.all = (given, port) => {
  const list = (typeof given === "string" ? given.split(",") : [given].flat()).map((one) => address(one, port));
  return list.length === 1 ? list[0] : list;
};

module.exports = address;
