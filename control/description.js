/**
 * A session description that is an object, its JSON, or both: whichever was there first, the other when it is asked for.
 *
 *   text of a snapshot ─► `place` and `kind`, for a description with one line of audio ─► answers and targets from templates (template.js)
 *                      └► `json`, for all that is done with any description (sdp.js)
 *
 * Shape:  never changed once made. `kind` is what a description says but for its place: phones of one model say the same.
 * Errors: none; a description out of the ordinary has no `kind`.
 */
"use strict";

const Sdp = require("./sdp.js");
const { parse } = require("./json.js");
const { picker } = require("./pick.js");

const FIELDS = "c.0.address m.0.port m.0 m.1 m.0.media m.0.proto m.0.c a direction";
const PORT_MAX = 65535;
const readers = new WeakMap();

class Description {
  #text;
  #json;
  #simple;

  #direction;

  /** @param {object} [json] @param {string} [text] One of the two at least. @param {string} [direction] Where it is known. */
  constructor(json, text, direction) {
    this.#json = json;
    this.#text = text;
    this.#direction = direction;
  }

  /** One of a text, with what `simple` tells. */
  static read(host, text) {
    const description = new Description(undefined, text);
    description.#simple = () => {
      let read = readers.get(host);
      if (!read) readers.set(host, (read = picker(host, FIELDS)));
      return simple(read(text));
    };
    return description;
  }

  /** @returns {object} Not to be changed. */
  get json() {
    return (this.#json ??= parse(this.#text));
  }
  /** @returns {string} */
  get text() {
    return (this.#text ??= JSON.stringify(this.#json));
  }
  /** @returns {string} Direction of its audio. */
  get direction() {
    return (this.#direction ??= Sdp.direction(this.json));
  }
  /** @returns {boolean} Whether there is a media line at all: an absent or empty description is no offer. */
  get present() {
    if (this.#json === undefined) return this.#text !== "{}" && (this.simple !== undefined || Sdp.present(this.json));
    return Sdp.present(this.#json);
  }
  /** @returns {{address: string, port: number, kind: string}|undefined} For a description of one line of plain audio. */
  get simple() {
    if (typeof this.#simple === "function") this.#simple = this.#simple();
    return this.#simple;
  }

  /** Whether another says the same. */
  alike(other) {
    return other === this || (other !== undefined && other.text === this.text);
  }

  /** What `JSON.stringify` takes. */
  toJSON() {
    return this.json;
  }
}

function simple([address, port, line, second, media, proto, own, attributes, direction] = []) {
  const one = line !== undefined && second === undefined && media === "audio" && proto === "RTP/AVP";
  // An address of the line or a direction of the session is for the whole reader; so is hold by no address.
  if (!one || own !== undefined || attributes !== undefined || direction !== undefined) return undefined;
  if (typeof address !== "string" || address === "0.0.0.0" || address === "::") return undefined;
  if (!Number.isInteger(port) || port < 1 || port > PORT_MAX) return undefined;
  const field = `"port":${port},`;
  const at = line.indexOf(field);
  return at < 0 ? undefined : { address, port, kind: line.slice(0, at) + line.slice(at + field.length) };
}

module.exports = Description;
