/**
 * Following 3xx: a call of ours that was answered "ask there" is placed again, as the same call object.
 *
 *   hangup event with 300–399 and contacts ─► the first contact not tried yet ─► INVITE anew ─► … at most 5 times
 *
 * Shape:  within the domain first dialled, so that a phone cannot send its callers to costly places; `follow: "anywhere"` in the
 *         request takes the contact's host too, `follow: false` takes 3xx as a failure.
 * Errors: nobody left to try: the call ends with the last status.
 * Source: RFC 3261 §8.1.3.4 (each URI once), §21.3.
 */
"use strict";

const FOLLOWED_MAX = 5;

/**
 * Whether to place a call again instead of ending it.
 * @param {object} call
 * @param {object} info Its last snapshot, with the failure.
 * @returns {object|undefined} The request to place.
 */
function next(call, info) {
  const { request } = call;
  if (!request || !call.originator || call.answered || call.dialog.ending || request.follow === false) return undefined;
  const trail = (call.metadata.trail ??= { tried: [spoken(request.to)], waiting: [] });
  const code = info.error?.code ?? 0;
  if (code >= 300 && code <= 399) trail.waiting.unshift(...contacts(info).map((contact) => target(contact, request)));
  // Without a redirect before it, a failure is a failure.
  while (trail.waiting.length > 0 && trail.tried.length <= FOLLOWED_MAX) {
    const to = trail.waiting.shift();
    if (trail.tried.includes(spoken(to))) continue;
    trail.tried.push(spoken(to));
    return { ...request, to, maxforwards: request.maxforwards - 1 };
  }
  return undefined;
}

/** Where a 3xx points, whichever way the SIP server writes it. */
function contacts(info) {
  const { contacts: list, contact } = info;
  return (Array.isArray(list) ? list : [contact]).filter((one) => typeof one === "string" && one !== "");
}

/** `"Bob" <sip:1005@host:5060;x=y>;q=0.5` is user 1005, in the domain dialled unless the request trusts the contact. */
function target(contact, request) {
  const uri = (contact.match(/<([^>]*)>/)?.[1] ?? contact).replace(/^sips?:/i, "");
  const [user, host = ""] = uri.includes("@") ? uri.split("@") : [uri];
  const domain = request.follow === "anywhere" && host ? host.split(/[;?]/)[0] : request.to.domain;
  return { ...request.to, user: decodeURIComponent(user.split(";")[0]), domain };
}

function spoken({ user, domain = "" }) {
  return `${user}@${domain}`;
}

module.exports = { next };
