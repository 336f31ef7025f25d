/**
 * Assertions for scenarios, without node:assert, so that they run under the embedded engine too.
 * Errors: a failed one throws with what was found and what was wanted.
 */
"use strict";

function ok(value, what) {
  if (!value) throw new Error(`${what ?? "assertion"}: found ${JSON.stringify(value)}`);
}

function equal(found, wanted, what = "value") {
  const [a, b] = [text(found), text(wanted)];
  if (a !== b) throw new Error(`${what}: found ${a}, wanted ${b}`);
}

function throws(work, pattern) {
  let caught;
  try {
    work();
  } catch (error) {
    caught = error;
  }
  if (!caught) throw new Error(`nothing thrown, wanted ${pattern}`);
  if (!pattern.test(String(caught))) throw new Error(`thrown ${caught}, wanted ${pattern}`);
}

/** JSON with sorted keys. */
function text(value) {
  return JSON.stringify(value, (_, inner) =>
    inner && typeof inner === "object" && !Array.isArray(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  );
}

module.exports = { ok, equal, throws };
