/**
 * Some fields of a JSON text: by the host where it has a quick way, else by reading all of it.
 *
 *   picker(host, "uuid load.headroom sdp.them")(text) ─► [uuid, headroom, text of the description]
 *
 * Shape:  `host.picker(fields)` makes such a function; a path goes through objects and lists; of an object or list the JSON is given.
 *         A field that is not there is `undefined`.
 * Errors: a text that is no JSON object gives `undefined`. The host may give that too where it is in doubt: then all is read.
 */
"use strict";

const { parse } = require("./json.js");

/**
 * @param {object} host See host/index.js.
 * @param {string} fields Paths with blanks between them.
 * @returns {function(string): Array|undefined}
 */
function picker(host, fields) {
  const paths = fields.split(" ").map((path) => path.split("."));
  const whole = (text) => {
    let json;
    try {
      json = parse(text);
    } catch {
      return undefined;
    }
    return typeof json === "object" && json !== null && !Array.isArray(json) ? paths.map((path) => value(json, path)) : undefined;
  };
  const quick = host.picker?.(fields);
  return quick ? (text) => quick(text) ?? whole(text) : whole;
}

function value(json, path) {
  let at = json;
  for (const key of path) at = at?.[key];
  return typeof at === "object" && at !== null ? JSON.stringify(at) : at;
}

/** All that the library picks. */
function picks(host) {
  return {
    /** Answer to `POST /channel`. */
    channel: picker(host, "uuid ip port load.headroom"),
    /** Answer to `POST /dialog/invite`. */
    callid: picker(host, "callid"),
    /** Event of a channel. */
    event: picker(host, "action event reason seq stats"),
  };
}

module.exports = { picker, picks };
