/** Reads a request's path as routes match it: its normal form, and whether servers would read it in different ways. */

import type { ProtocolViolation } from "./refusal.ts";

/** How routes read a path. The bytes that arrived are forwarded in any case. */
export interface PathReading {
  /** RFC 3986 section 6.2.2: escapes and dot segments resolved, repeated slashes merged. */
  readonly text: string;
  /** Why servers disagree about this path whatever the routes are; undefined for most. */
  readonly violation?: ProtocolViolation;
  /** What some servers read instead; empty for most. */
  readonly others: readonly string[];
}

const plain = 0;
const odd = 1;
/** A slash or a dot: odd after a slash. */
const afterSlash = 2;

/** By character code: what a path may contain and still be its own normal form. */
const classes: Uint8Array = new Uint8Array(128).fill(odd);
classes.fill(plain, 0x21, 0x7f);
for (const char of "%\\;#") classes[char.charCodeAt(0)] = odd;
for (const char of "/.") classes[char.charCodeAt(0)] = afterSlash;

const slashCode = 0x2f;

/** Whether the path is its own normal form, and all servers read it in one way. True for nearly all paths, in one scan. */
export function isPlainPath(path: string): boolean {
  let previous = 0;
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    const found = code < 0x80 ? (classes[code] as number) : odd;
    if (found !== plain && (found === odd || previous === slashCode)) return false;
    previous = code;
  }
  return true;
}

const ambiguous = (what: string): ProtocolViolation => ({
  status: 400,
  text: `servers read this path in different ways: ${what}`,
});

/** The texts are fixed: they go to the log. */
export const pathViolations = {
  separator: ambiguous("it has a backslash, or an escaped slash or backslash"),
  escape: ambiguous("it has a percent sign without two hexadecimal digits"),
  nul: ambiguous("it has an escaped NUL"),
  overlong: ambiguous("it has an overlong UTF-8 sequence"),
  fragment: ambiguous("it has a number sign"),
  parameter: ambiguous("it has a dot segment with a parameter"),
  routes: ambiguous("their readings lead to different routes"),
} as const;

/** Reads any path in time linear in its length. A path of {@link isPlainPath} is its own normal form. */
export function readPath(path: string): PathReading {
  if (!path.startsWith("/")) return { text: path, others: [] };
  const { text: written, violation: flaw } = resolveEscapes(path);
  const text = resolveSegments(written);
  const violation = flaw ?? (dotWithParameter.test(written) ? pathViolations.parameter : undefined);
  return violation ? { text, violation, others: [] } : { text, others: otherReadings(written, text) };
}

/** A path of the configuration, where text beyond ASCII is UTF-8. */
export function readPathText(path: string): PathReading {
  return readPath(escapeBeyondAscii(path));
}

/** Text beyond ASCII as escaped UTF-8, as a client sends it. */
export function escapeBeyondAscii(text: string): string {
  return text.replace(/[^\0-\x7f]+/g, (part) => encodeURIComponent(part.toWellFormed()));
}

const dotWithParameter = /\/\.\.?(?:;|%3B)/;

/** Printable characters that are not the same thing when they are escaped. */
const kept = "%/\\?#;";

/**
 * Undoes escapes of printable characters and escapes all others, with upper-case digits. RFC 3986 asks it of unreserved
 * characters only, but servers decode the others of a path too, and `%2B` must not pass a route for `+`.
 */
function resolveEscapes(path: string): { readonly text: string; readonly violation?: ProtocolViolation } {
  let text = "";
  let violation: ProtocolViolation | undefined;
  let lead = 0;
  for (let i = 0; i < path.length; i++) {
    let code = path.charCodeAt(i);
    const isEscape = code === 0x25;
    if (isEscape) {
      const digits = path.slice(i + 1, i + 3);
      if (/^[\da-fA-F]{2}$/.test(digits)) {
        code = parseInt(digits, 16);
        i += 2;
      } else violation ??= pathViolations.escape;
    }
    if (isEscape && code === slashCode) violation ??= pathViolations.separator;
    if (!isEscape && code === 0x23) violation ??= pathViolations.fragment;
    violation ??= violationOf(code, lead);
    lead = code;
    const char = String.fromCharCode(code);
    const isPrintable = code > 0x20 && code < 0x7f;
    const isKept = isEscape && kept.includes(char);
    text += isPrintable && !isKept ? char : escapeOf(code);
  }
  return violation ? { text, violation } : { text };
}

/** @param lead the character before, which begins the sequence where this one continues it */
function violationOf(code: number, lead: number): ProtocolViolation | undefined {
  if (code === 0) return pathViolations.nul;
  if (code === 0x5c) return pathViolations.separator;
  // Two and more bytes for a character that has a shorter form (RFC 3629 section 3): old decoders read "/" and "." there.
  const isOverlong =
    code === 0xc0 ||
    code === 0xc1 ||
    (lead === 0xe0 && code >= 0x80 && code < 0xa0) ||
    (lead === 0xf0 && code >= 0x80 && code < 0x90);
  return isOverlong ? pathViolations.overlong : undefined;
}

/** The escape of each byte. */
const escapes: readonly string[] = Array.from(
  { length: 256 },
  (_, code) => `%${code.toString(16).toUpperCase().padStart(2, "0")}`,
);

function escapeOf(code: number): string {
  return escapes[code] ?? encodeURIComponent(String.fromCharCode(code).toWellFormed());
}

/** Merges slashes and resolves dot segments. A dot segment at the end leaves a slash (RFC 3986 section 5.2.4). */
function resolveSegments(path: string): string {
  const stack: string[] = [];
  const segments = path.split("/");
  for (const segment of segments) {
    if (segment === "..") stack.pop();
    else if (segment !== "" && segment !== ".") stack.push(segment);
  }
  const last = segments.at(-1) as string;
  const endsWithSlash = last === "" || last === "." || last === "..";
  return `/${stack.join("/")}${endsWithSlash && stack.length > 0 ? "/" : ""}`;
}

/** An empty segment is one that ".." removes (RFC 3986 section 5.2.4), where nothing was merged before. */
function resolveSegmentsUnmerged(path: string): string {
  const stack: string[] = [];
  for (const segment of path.split("/").slice(1)) {
    if (segment === "..") stack.pop();
    else if (segment !== ".") stack.push(segment);
  }
  return resolveSegments(`/${stack.join("/")}`);
}

/** What could be read otherwise; nearly no path has it. */
const suspicious = /;|%(?:25[\da-fA-F]{2}|3B|3F|23|0[9A-D]|1[C-F]|20|85|A0)/;

type Transform = (text: string) => string;

/** Double decoding, as by a gateway behind a gateway, however often the percent sign was escaped. */
const decodeAgain: Transform = (text) =>
  text.replace(/%(?:25)+(?=[\da-fA-F]{2})/g, "%").replace(/%([\da-fA-F]{2})/g, (_, digits: string) => {
    const code = parseInt(digits, 16);
    if (code === 0x5c) return "/";
    const isShown = code === 0 || (code > 0x20 && code < 0x7f && code !== 0x25);
    return isShown ? String.fromCharCode(code) : (escapes[code] as string);
  });

/** Servers of the Java family drop what follows a semicolon in each segment. */
const dropParameters: Transform = (text) => text.replace(/(?:;|%3B)[^/]*/g, "");

/** A parser after the first one may end the path where an escaped delimiter was. */
const cutAtDelimiter: Transform = (text) => text.replace(/(?:[?#\0]|%3F|%23).*$/s, "");

/** Some frameworks trim whitespace from segments, or from the end of the path; Python's also U+0085 and U+00A0. */
const trimSegments: Transform = (text) => text.split("/").map(trimEnd).join("/");

const escapedSpaces: ReadonlySet<string> = new Set(
  [9, 10, 11, 12, 13, 28, 29, 30, 31, 32].map((code) => escapeOf(code)),
);

/** From the end and in one pass: an expression would look at a long run of spaces again for each of them. */
function trimEnd(segment: string): string {
  let end = segment.length;
  for (;;) {
    const last = segment.slice(Math.max(0, end - 3), end);
    if (escapedSpaces.has(last)) end -= 3;
    else if (last === "%85" || last === "%A0") {
      const before = segment.slice(Math.max(0, end - 6), end - 3);
      // After another byte of a UTF-8 sequence it is a part of a letter.
      if (before !== "%C2" && /^%[89A-F]/.test(before)) break;
      end -= before === "%C2" ? 6 : 3;
    } else break;
  }
  return segment.slice(0, end);
}

const transforms: readonly Transform[] = [
  decodeAgain,
  dropParameters,
  cutAtDelimiter,
  trimSegments,
  (text) => trimSegments(dropParameters(cutAtDelimiter(decodeAgain(text)))),
];

function otherReadings(written: string, text: string): readonly string[] {
  const found = new Set<string>();
  if (written.includes("//") && written.includes("/..")) found.add(resolveSegmentsUnmerged(written));
  if (suspicious.test(written))
    for (const transform of transforms) found.add(resolveSegments(transform(written)));
  found.delete(text);
  return [...found];
}
