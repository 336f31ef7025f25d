/**
 * Values as text for `console`, as far as a log needs it.
 *
 * Shape:  objects to a depth of 3, lists and objects to 50 entries, texts to 10 000 letters; circles are named, getters not called.
 * Errors: none: what cannot be shown is named by its type.
 */
(function () {
  "use strict";

  const DEPTH_MAX = 3;
  const ENTRIES_MAX = 50;
  const TEXT_MAX = 10_000;

  function value(what, depth, above) {
    switch (typeof what) {
      case "string":
        return JSON.stringify(what.slice(0, TEXT_MAX));
      case "function":
        return `[function ${what.name || "anonymous"}]`;
      case "bigint":
        return `${what}n`;
      case "object":
        return what === null ? "null" : object(what, depth, above);
      default:
        return String(what);
    }
  }

  function object(what, depth, above) {
    if (what instanceof Error) return error(what);
    if (above.includes(what)) return "[circular]";
    const name = what.constructor?.name;
    if (what instanceof Date || what instanceof RegExp) return String(what);
    if (depth > DEPTH_MAX) return `[${name ?? "object"}]`;
    const inside = [...above, what];
    const list = (entries, open, close) => {
      const shown = entries.slice(0, ENTRIES_MAX);
      if (entries.length > ENTRIES_MAX) shown.push(`… ${entries.length - ENTRIES_MAX} more`);
      return shown.length > 0 ? `${open} ${shown.join(", ")} ${close}` : open + close;
    };
    if (Array.isArray(what)) return list(what.slice(0, ENTRIES_MAX + 1).map((one) => value(one, depth + 1, inside)), "[", "]");
    if (what instanceof Map) return `Map ${list([...what].map(([key, one]) => `${value(key, depth + 1, inside)} => ${value(one, depth + 1, inside)}`), "{", "}")}`;
    if (what instanceof Set) return `Set ${list([...what].map((one) => value(one, depth + 1, inside)), "{", "}")}`;
    const entries = Object.entries(Object.getOwnPropertyDescriptors(what))
      .filter(([, property]) => property.enumerable)
      .map(([key, property]) => `${key}: ${property.get ? "[getter]" : value(property.value, depth + 1, inside)}`);
    return (name && name !== "Object" ? `${name} ` : "") + list(entries, "{", "}");
  }

  /** An error with where it came from. */
  function error(what) {
    if (!(what instanceof Error)) return value(what, 0, []);
    const head = `${what.name}: ${what.message}`;
    const stack = String(what.stack ?? "").trimEnd();
    return stack === "" ? head : stack.includes(what.message) ? stack : `${head}\n${stack}`;
  }

  /** Arguments of `console.log` as one text. */
  function line(args) {
    return args.map((one) => (typeof one === "string" ? one : value(one, 0, []))).join(" ");
  }

  return { line, error };
})();
