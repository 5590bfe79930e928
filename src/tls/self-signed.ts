/** Makes self-signed certificates: to try the runtime's TLS, until an authority has issued one, and for its challenges. */

import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { systemWallClock } from "../lib/clock.ts";
import { type CertificatePair, readPair } from "./certificate-pair.ts";

const dayMs = 86_400_000;

export interface SelfSignedOptions {
  readonly days?: number;
  /** For tls-alpn-01: the digest of the key authorisation (RFC 8737 section 3). */
  readonly acmeDigest?: Buffer;
}

/** Upper bound of a common name (RFC 5280 appendix A.1). */
const maxCommonName = 64;

/** A certificate for one DNS name with a P-256 key (X.509 v3, RFC 5280), valid from yesterday. @param source shown to operators */
export function selfSigned(
  name: string,
  source: string,
  { days = 30, acmeDigest }: SelfSignedOptions = {},
): CertificatePair {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const from = systemWallClock() - dayMs;
  // ecdsa-with-SHA256, RFC 5758
  const algorithm = sequence(identifier("2a8648ce3d040302"));
  const commonName = sequence(identifier("550403"), tagged(0x0c, Buffer.from(name.slice(0, maxCommonName))));
  const holder = sequence(tagged(0x31, commonName));
  const alternatives = sequence(tagged(0x82, Buffer.from(name)));
  const extensions = [
    sequence(identifier("551d11"), tagged(0x04, alternatives)),
    // id-pe-acmeIdentifier, critical
    ...(acmeDigest
      ? [
          sequence(
            identifier("2b0601050507011f"),
            tagged(0x01, Buffer.from([0xff])),
            tagged(0x04, tagged(0x04, acmeDigest)),
          ),
        ]
      : []),
  ];
  const contents = sequence(
    tagged(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    algorithm,
    holder,
    sequence(time(from), time(from + (days + 1) * dayMs)),
    holder,
    publicKey.export({ type: "spki", format: "der" }),
    tagged(0xa3, sequence(...extensions)),
  );
  const signature = sign("sha256", contents, privateKey);
  const der = sequence(contents, algorithm, tagged(0x03, Buffer.concat([Buffer.from([0]), signature])));
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  const cert = `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
  const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const pair = readPair({ cert, key, source });
  if ("why" in pair) throw new Error(`Cannot make a certificate: ${pair.why}`);
  return pair;
}

/** An element in DER: tag, length, content. */
function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts));
}

function identifier(hexadecimal: string): Buffer {
  return tagged(0x06, Buffer.from(hexadecimal, "hex"));
}

/** A positive number whose first bit is not set. */
function integer(bytes: Buffer): Buffer {
  return tagged(0x02, bytes);
}

/** GeneralizedTime without fractions. */
function time(at: number): Buffer {
  return tagged(0x18, Buffer.from(`${new Date(at).toISOString().replace(/[-:T]|\.\d+/g, "")}`));
}
