/** Reads a request's path as servers do: the written form, which routes match, and what some servers read instead. */

import type { ProtocolViolation } from "./refusal.ts";

const plain = 0;
const odd = 1;
/** A slash or a dot: odd after a slash. */
const afterSlash = 2;

/** By character code: what a path may contain and still be its own written form. */
const classes: Uint8Array = new Uint8Array(128).fill(odd);
classes.fill(plain, 0x21, 0x7f);
for (const char of "%\\;#") classes[char.charCodeAt(0)] = odd;
for (const char of "/.") classes[char.charCodeAt(0)] = afterSlash;

const slash = 0x2f;
const dot = 0x2e;
const percent = 0x25;

/** Whether the path is its own written form, and all servers read it in one way. True for nearly all paths, in one scan. */
export function isPlainPath(path: string): boolean {
  let previous = 0;
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    const found = code < 0x80 ? (classes[code] as number) : odd;
    if (found !== plain && (found === odd || previous === slash)) return false;
    previous = code;
  }
  return true;
}

/** The texts are fixed: they go to the client and to the log. */
export const pathViolations = {
  escape: { status: 400, text: "the path has a percent sign without two hexadecimal digits" },
  nul: { status: 400, text: "the path has an escaped NUL" },
  ambiguous: {
    status: 400,
    text: "readings of the path lead to different routes",
    reason: "path_ambiguous",
  },
} as const satisfies Readonly<Record<string, ProtocolViolation>>;

export interface WrittenPath {
  readonly text: string;
  /** Why no server can read the path; undefined for nearly all. */
  readonly flaw?: ProtocolViolation;
}

/** Printable characters that are not the same thing when they are escaped. */
const kept: ReadonlySet<number> = new Set([..."%/\\?#;"].map((char) => char.charCodeAt(0)));

const escapes: readonly string[] = Array.from(
  { length: 256 },
  (_, code) => `%${code.toString(16).toUpperCase().padStart(2, "0")}`,
);

/** By character code: what an escape of it becomes. */
const unescaped: readonly string[] = escapes.map((escape, code) =>
  code > 0x20 && code < 0x7f && !kept.has(code) ? String.fromCharCode(code) : escape,
);

/**
 * Undoes escapes of printable characters and escapes all others, with upper-case digits. RFC 3986 section 6.2.2.2 asks it of
 * unreserved characters only, but servers decode the others of a path too, and `%2B` must not pass a route for `+`. Each
 * slash of the path stays, and none is added. Time linear in the length.
 */
export function writtenPath(path: string): WrittenPath {
  let text = "";
  let flaw: ProtocolViolation | undefined;
  let from = 0;
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    let escape = "";
    let end = i + 1;
    if (code === percent) {
      const value = hexValue(path, i + 1);
      if (value < 0) {
        flaw ??= pathViolations.escape;
        escape = "%25";
      } else {
        if (value === 0) flaw ??= pathViolations.nul;
        escape = unescaped[value] as string;
        end = i + 3;
        if (escape.length === 3 && hasUpperDigits(path, i + 1)) escape = "";
      }
    } else if (code <= 0x20 || code >= 0x7f) {
      if (code === 0) flaw ??= pathViolations.nul;
      escape = escapes[code] ?? encodeURIComponent(String.fromCharCode(code).toWellFormed());
    }
    if (escape !== "") {
      text += path.slice(from, i) + escape;
      from = end;
    }
    i = end - 1;
  }
  const whole = from === 0 ? path : text + path.slice(from);
  return flaw ? { text: whole, flaw } : { text: whole };
}

/** The value of two hexadecimal digits; negative if they are none. */
function hexValue(text: string, at: number): number {
  return (hexDigit(text.charCodeAt(at)) << 4) | hexDigit(text.charCodeAt(at + 1));
}

/** Negative if it is no digit, also after a shift; the code may be NaN. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

function hasUpperDigits(text: string, at: number): boolean {
  return text.charCodeAt(at) < 0x60 && text.charCodeAt(at + 1) < 0x60;
}

/** Text beyond ASCII as escaped UTF-8, as a client sends it. */
export function escapeBeyondAscii(text: string): string {
  return text.replace(/[^\0-\x7f]+/g, (part) => encodeURIComponent(part.toWellFormed()));
}

/** What servers may read otherwise in a path. */
const features = { again: 1, separators: 2, cut: 4, parameters: 8, blanks: 16, merge: 32, dots: 64 } as const;

/** Which features a written path has, in one scan. It may name one that changes nothing. */
function featuresOf(text: string): number {
  let found = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === slash) found |= featuresAfterSlash(text, i + 1);
    else if (code === percent) {
      found |= featuresOfEscape(text, i);
      i += 2;
    } else if (code === 0x5c) found |= features.separators;
    else if (code === 0x3b) found |= features.parameters;
    else if (code === 0x23) found |= features.cut;
  }
  return found;
}

function featuresAfterSlash(text: string, at: number): number {
  const code = text.charCodeAt(at);
  if (code === slash) return features.merge;
  if (code !== dot) return 0;
  const end = text.charCodeAt(at + 1) === dot ? at + 2 : at + 1;
  return end === text.length || text.charCodeAt(end) === slash ? features.dots : 0;
}

/** By value of an escape. Spaces count only at the end of a segment. */
const escapeFeatures = new Uint8Array(256);
for (const code of [0x2f, 0x5c, 0xc0, 0xc1, 0xe0, 0xf0]) escapeFeatures[code] = features.separators;
for (const code of [0x3f, 0x23, 0]) escapeFeatures[code] = features.cut;
escapeFeatures[0x3b] = features.parameters;
escapeFeatures[percent] = features.again;
/** Python also trims U+0085 and U+00A0. */
for (const code of [9, 10, 11, 12, 13, 28, 29, 30, 31, 32, 0x85, 0xa0])
  escapeFeatures[code] = features.blanks;

function featuresOfEscape(text: string, at: number): number {
  const feature = escapeFeatures[hexValue(text, at + 1) & 0xff] as number;
  if (feature === features.again) return hexValue(text, at + 3) < 0 ? 0 : feature;
  if (feature !== features.blanks) return feature;
  const end = at + 3;
  return end === text.length || text.charCodeAt(end) === slash ? feature : 0;
}

type Transform = (text: string) => string;

/** Double decoding, as by a gateway behind a gateway. */
const decodeAgain: Transform = (text) =>
  text.replace(/%25([\da-fA-F]{2})/g, (_, digits: string) => unescaped[parseInt(digits, 16)] as string);

/** However often the percent sign was escaped. */
const decodeToTheEnd: Transform = (text) => {
  const collapsed = text.replace(/%(?:25)+(?=[\da-fA-F]{2})/g, "%");
  return writtenPath(collapsed).text;
};

/**
 * An escaped slash is one, a backslash too, and so are overlong UTF-8 sequences: a lenient decoder takes the low bits of
 * whatever follows the first byte.
 */
const decodeSeparators: Transform = (text) =>
  text.replace(
    /\\|%(?:2F|5C|C[01](?:%[\dA-F]{2}|[^%/])|E0%[89][\dA-F]%[89AB][\dA-F]|F0%8[\dA-F]%[89AB][\dA-F]%[89AB][\dA-F])/g,
    (sequence) => {
      if (sequence.length <= 3 && !sequence.startsWith("%C")) return "/";
      const isRaw = !/%..$/.test(sequence);
      const last = isRaw ? sequence.charCodeAt(sequence.length - 1) : hexValue(sequence, sequence.length - 2);
      const lead = isRaw ? hexValue(sequence, 1) : hexValue(sequence, sequence.length - 5);
      const code = ((lead & 1) << 6) | (last & 0x3f);
      return code === slash || code === 0x5c ? "/" : (unescaped[code] as string);
    },
  );

/** A parser after the first one may end the path where an escaped delimiter was. */
const cutAtDelimiter: Transform = (text) => text.replace(/(?:#|%(?:3F|23|00)).*$/s, "");

/** Servers of the Java family drop what follows a semicolon in each segment. */
const dropParameters: Transform = (text) => text.replace(/(?:;|%3B)[^/]*/g, "");

/** Some frameworks trim white space from segments, or from the end of the path. */
const trimSegments: Transform = (text) => text.split("/").map(trimEnd).join("/");

/** From the end and in one pass: an expression would look at a long run of spaces again for each of them. */
function trimEnd(segment: string): string {
  let end = segment.length;
  while (end >= 3 && segment.charCodeAt(end - 3) === percent) {
    const value = hexValue(segment, end - 2);
    if (escapeFeatures[value] !== features.blanks) break;
    if (value < 0x80) {
      end -= 3;
      continue;
    }
    const before = segment.slice(Math.max(0, end - 6), end - 3);
    // After another byte of a UTF-8 sequence it is a part of a letter.
    if (before !== "%C2" && /^%[89A-F]/.test(before)) break;
    end -= before === "%C2" ? 6 : 3;
  }
  return segment.slice(0, end);
}

const mergeSlashes: Transform = (text) => text.replace(/\/{2,}/g, "/");

/** RFC 3986 section 5.2.4: an empty segment is one that ".." removes, and a dot segment at the end leaves a slash. */
const resolveDots: Transform = (text) => {
  const stack: string[] = [];
  const segments = text.split("/");
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i] as string;
    if (segment === "..") stack.pop();
    else if (segment !== ".") stack.push(segment);
  }
  const last = segments.at(-1);
  const endsWithDots = (last === "." || last === "..") && stack.length > 0;
  return `/${stack.join("/")}${endsWithDots ? "/" : ""}`;
};

interface Step {
  readonly feature: number;
  readonly apply: Transform;
  /** The step after this one where it is left out. */
  readonly otherwise: number;
}

/**
 * A server takes some of these steps, in this order. A server in front of it may have resolved dots before. Decoding again
 * may happen several times; a step of it that is left out leaves out the next ones.
 */
const steps: readonly Step[] = [
  { feature: features.dots, apply: resolveDots, otherwise: 1 },
  { feature: features.again, apply: decodeAgain, otherwise: 4 },
  { feature: features.again, apply: decodeAgain, otherwise: 4 },
  { feature: features.again, apply: decodeToTheEnd, otherwise: 4 },
  { feature: features.separators, apply: decodeSeparators, otherwise: 5 },
  { feature: features.cut, apply: cutAtDelimiter, otherwise: 6 },
  { feature: features.parameters, apply: dropParameters, otherwise: 7 },
  { feature: features.blanks, apply: trimSegments, otherwise: 8 },
  { feature: features.merge, apply: mergeSlashes, otherwise: 9 },
  { feature: features.dots, apply: resolveDots, otherwise: 10 },
];

/**
 * Characters that are read at most for one path, each reading counting some more. A short path has no limit that it could
 * meet; one of 8 KiB with more than seven readings is refused.
 */
const maxReadChars = 65_536;
const readingChars = 32;

/** Called with one reading. @returns whether to continue */
export type ReadingVisitor = (reading: string) => boolean;

/**
 * Calls the visitor with every form that some server reads in a written path: each combination of steps that changes it. The
 * same text may come twice. The path itself is not among them.
 * @returns false if the visitor did, or if there are more readings than can be looked at
 */
export function visitReadings(written: string, visit: ReadingVisitor): boolean {
  const found = written.startsWith("/") ? featuresOf(written) : 0;
  if (found === 0) return true;
  return new Reader(visit).read(written, found, 0, true);
}

/** Whether a server may read something else in a written path. */
export function hasReadings(written: string): boolean {
  return !visitReadings(written, (reading) => reading === written);
}

class Reader {
  readonly #visit: ReadingVisitor;
  #leftChars = maxReadChars;

  constructor(visit: ReadingVisitor) {
    this.#visit = visit;
  }

  read(text: string, found: number, first: number, isWritten: boolean): boolean {
    this.#leftChars -= text.length + readingChars;
    if (this.#leftChars < 0) return false;
    for (let number = first; number < steps.length;) {
      const { feature, apply, otherwise } = steps[number] as Step;
      // Resolving dots first differs from doing it last only if a step between them changes something.
      const isUseless = number === 0 && found === features.dots;
      if ((found & feature) !== 0 && !isUseless) {
        const next = apply(text);
        if (next !== text && !this.read(next, featuresOf(next), number + 1, false)) return false;
      }
      number = otherwise;
    }
    return isWritten || this.#visit(text);
  }
}
