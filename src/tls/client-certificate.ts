/** What upstreams learn of a client's certificate: subject, fingerprint and the certificate itself (RFC 9440). */

import { createHash } from "node:crypto";

export interface ClientIdentity {
  /** As in RFC 4514, visible ASCII only. */
  readonly subject: string;
  /** Alternative names of the subject, as "DNS:ann.example, email:ann@example"; visible ASCII only, and empty without them. */
  readonly alternativeNames: string;
  /** Hexadecimal. */
  readonly serial: string;
  /** SHA-256 of the certificate, hexadecimal. */
  readonly fingerprint: string;
  /** The certificate as in RFC 9440. */
  readonly certificate: string;
  /** Header fields for upstreams, in their order. */
  readonly fields: readonly (readonly [name: string, value: string])[];
}

/** Fields that only the balancer may set: clients could pretend to have a certificate. In lower case. */
export const clientCertificateFields = [
  "client-cert",
  "client-cert-chain",
  "x-client-subject",
  "x-client-fingerprint",
] as const;

/** @param der a certificate that the runtime has verified */
export function clientIdentityOf(der: Uint8Array): ClientIdentity {
  const elements = certifiedElements(der);
  const subject = subjectOf(elements);
  const fingerprint = createHash("sha256").update(der).digest("hex");
  const certificate = `:${Buffer.from(der).toString("base64")}:`;
  return {
    subject,
    alternativeNames: alternativeNamesOf(elements),
    serial: Buffer.from(elements[0]?.content ?? empty).toString("hex"),
    fingerprint,
    certificate,
    fields: [
      ["Client-Cert", certificate],
      ["X-Client-Subject", subject],
      ["X-Client-Fingerprint", fingerprint],
    ],
  };
}

/** Short names of RFC 4514 section 3, by the encoded object identifier. */
const attributeNames: ReadonlyMap<string, string> = new Map([
  ["550403", "CN"],
  ["550406", "C"],
  ["550407", "L"],
  ["550408", "ST"],
  ["550409", "STREET"],
  ["55040a", "O"],
  ["55040b", "OU"],
  ["0992268993f22c640119", "DC"],
  ["0992268993f22c640101", "UID"],
]);

/**
 * What was signed, from the serial number on: serial number, algorithm, issuer, validity, subject, key, extensions (RFC 5280
 * section 4.1). The version before them is optional.
 */
function certifiedElements(der: Uint8Array): readonly Element[] {
  const [toBeSigned] = elementsIn(elementAt(der, 0).content);
  const elements = elementsIn(toBeSigned?.content ?? empty);
  return elements[0]?.tag === 0xa0 ? elements.slice(1) : elements;
}

/**
 * The subject as in RFC 4514, read from the certificate: runtimes differ in what they make of several values and of special
 * characters (measured on Bun 1.4.5 and Deno 2.9.6).
 */
function subjectOf(elements: readonly Element[]): string {
  const subject = elements[4];
  const sets = elementsIn(subject?.content ?? empty).map(({ content }) =>
    elementsIn(content)
      .map((attribute) => attributeText(elementsIn(attribute.content)))
      .join("+"),
  );
  return sets.toReversed().join(",");
}

const empty = new Uint8Array();

interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
  /** With tag and length. */
  readonly whole: Uint8Array;
}

/** An element in DER. Throws for one that exceeds its container, which no verified certificate has. */
function elementAt(bytes: Uint8Array, at: number): Element {
  const [tag = 0, first = 0] = bytes.subarray(at, at + 2);
  const lengthBytes = first & 0x80 ? first & 0x7f : 0;
  const start = at + 2 + lengthBytes;
  const length = lengthBytes
    ? bytes.subarray(at + 2, start).reduce((sum, byte) => sum * 256 + byte, 0)
    : first;
  if (start + length > bytes.length) throw new Error("Cannot read the certificate: it is cut");
  return { tag, content: bytes.subarray(start, start + length), whole: bytes.subarray(at, start + length) };
}

function elementsIn(content: Uint8Array): readonly Element[] {
  const elements: Element[] = [];
  for (let at = 0; at < content.length;) {
    const element = elementAt(content, at);
    elements.push(element);
    at += element.whole.length;
  }
  return elements;
}

function attributeText([type, value]: readonly Element[]): string {
  const oid = Buffer.from(type?.content ?? empty);
  const name = attributeNames.get(oid.toString("hex"));
  const text = value && textOf(value);
  // Section 2.4: a value that is no known string is shown as its encoding.
  if (name !== undefined && text !== undefined) return `${name}=${escaped(text)}`;
  return `${name ?? dotted(oid)}=#${Buffer.from(value?.whole ?? empty).toString("hex")}`;
}

/** Names by the tag of RFC 5280 section 4.2.1.6. Others, as directory names, are left out. */
const nameKinds: ReadonlyMap<number, string> = new Map([
  [0x81, "email"],
  [0x82, "DNS"],
  [0x86, "URI"],
  [0x87, "IP"],
]);

const extensionsTag = 0xa3;
const alternativeNameOid = "551d11";

/** Empty where the extension cannot be read: a certificate is verified without a look at it. */
function alternativeNamesOf(elements: readonly Element[]): string {
  const extensions = elements.find(({ tag }) => tag === extensionsTag);
  try {
    return extensions ? namesIn(extensions).join(", ") : "";
  } catch {
    return "";
  }
}

function namesIn({ content: extensions }: Element): readonly string[] {
  const parts = elementsIn(elementAt(extensions, 0).content)
    .map((extension) => elementsIn(extension.content))
    .find(([oid]) => Buffer.from(oid?.content ?? empty).toString("hex") === alternativeNameOid);
  const value = parts?.at(-1);
  if (!value) return [];
  return elementsIn(elementAt(value.content, 0).content).flatMap(({ tag, content }) => {
    const kind = nameKinds.get(tag);
    return kind === undefined ? [] : [`${kind}:${kind === "IP" ? addressText(content) : nameText(content)}`];
  });
}

/** A comma would begin another name. */
function nameText(content: Uint8Array): string {
  return Buffer.from(content)
    .toString("latin1")
    .replace(
      /[^!-+\--~]/g,
      (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
    );
}

function addressText(content: Uint8Array): string {
  if (content.length === 4) return content.join(".");
  const pairs = Array.from({ length: content.length / 2 }, (_, index) =>
    (((content[index * 2] ?? 0) << 8) | (content[index * 2 + 1] ?? 0)).toString(16),
  );
  return pairs.join(":");
}

/** UTF8String, PrintableString, TeletexString, IA5String, BMPString. */
function textOf({ tag, content }: Element): string | undefined {
  if (tag === 0x0c) return Buffer.from(content).toString("utf8");
  if (tag === 0x13 || tag === 0x14 || tag === 0x16) return Buffer.from(content).toString("latin1");
  return tag === 0x1e ? new TextDecoder("utf-16be").decode(content) : undefined;
}

function dotted(oid: Uint8Array): string {
  const numbers: number[] = [];
  let number = 0;
  for (const byte of oid) {
    number = number * 128 + (byte & 0x7f);
    if (byte & 0x80) continue;
    numbers.push(number);
    number = 0;
  }
  const [first = 0, ...rest] = numbers;
  const top = Math.min(2, Math.floor(first / 40));
  return [top, first - top * 40, ...rest].join(".");
}

/** Section 2.4, with every byte that is not visible ASCII in hexadecimal: a header field can carry it. */
function escaped(text: string): string {
  const characters = [...text].map((character, index, { length }) => {
    if (/^[,+"\\<>;=]$/.test(character)) return `\\${character}`;
    const isEdge = index === 0 || index === length - 1;
    if (character === " ") return isEdge ? "\\ " : " ";
    if (character === "#" && index === 0) return "\\#";
    if (/^[!-~]$/.test(character)) return character;
    return Buffer.from(character, "utf8").toString("hex").toUpperCase().replace(/../g, "\\$&");
  });
  return characters.join("");
}
