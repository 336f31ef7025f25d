/**
 * Numbers and digits as sound soups, from a folder with one WAV file for each word.
 *
 *   spell("10#", "en/")  ─► en/1.wav en/0.wav en/hash.wav            number(47, "en/") ─► en/40.wav en/7.wav
 *
 * Shape:  files: 0 to 19, 20 30 … 90, hundred, thousand, star, hash, as `project-rtp --tone` or a voice made them.
 * Errors: `TypeError` for what cannot be said: numbers from 0 to 999 999, digits `0-9 * #`.
 */
"use strict";

const NAMES = { "*": "star", "#": "hash" };
const NUMBER_MAX = 999_999;

/** Each digit by itself. @returns {object} Sound soup. */
function spell(digits, folder = "") {
  if (!/^[0-9*#]+$/.test(String(digits))) throw new TypeError(`"${digits}" is not made of digits`);
  return soup([...String(digits)].map((digit) => NAMES[digit] ?? digit), folder);
}

/** A whole number, in English order. @returns {object} Sound soup. */
function number(value, folder = "") {
  if (!Number.isInteger(value) || value < 0 || value > NUMBER_MAX) throw new TypeError(`${value} is not a whole number up to ${NUMBER_MAX}`);
  return soup(words(value), folder);
}

function words(value) {
  if (value < 20) return [String(value)];
  const [unit, name] = value >= 1000 ? [1000, "thousand"] : value >= 100 ? [100, "hundred"] : [10, undefined];
  const rest = value % unit;
  const head = name ? [...words(Math.floor(value / unit)), name] : [String(value - rest)];
  return rest === 0 ? head : [...head, ...words(rest)];
}

function soup(names, folder) {
  return { files: names.map((name) => ({ wav: `${folder}${name}.wav` })) };
}

module.exports = { spell, number };
