/** Seals what may not lie open in the store: AES-256-GCM (NIST SP 800-38D) with a key that all balancers of the fleet have. */

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";

import { derivedSecret, digestOf } from "../lib/secrets.ts";

/**
 * Without a key, texts stay open; those with secrets whose theft the store's own protection does not cover are not stored then.
 * A sealed text belongs to its name: in the place of another one it is no text.
 */
export class Seal {
  readonly #key: Buffer | undefined;

  /** @param key of at least 32 bytes; undefined if the fleet has none */
  constructor(key: string | undefined) {
    // The key is a line of text, of any length; HKDF (RFC 5869) makes 256 bits of it.
    this.#key =
      key === undefined ? undefined : Buffer.from(hkdfSync("sha256", key, "", "evenkeel fleet seal", 32));
  }

  get hasKey(): boolean {
    return this.#key !== undefined;
  }

  /** A name in the store for something that may not be readable there: without a key it can be guessed. */
  digest(text: string): string {
    if (!this.#key) return digestOf(text);
    return derivedSecret(this.#key.toString("base64url"), `name ${text}`);
  }

  /** @param name of what is sealed: its key in the store */
  close(name: string, text: string): string {
    if (!this.#key) return `${openMark}${text}`;
    const nonce = randomBytes(nonceLength);
    const cipher = createCipheriv(algorithm, this.#key, nonce).setAAD(Buffer.from(name));
    const parts = [nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()];
    return sealedMark + Buffer.concat(parts).toString("base64url");
  }

  /** Undefined for what was sealed with another key or for another name, is open where there is a key, or is no sealed text. */
  open(name: string, sealed: string): string | undefined {
    if (!this.#key) return sealed.startsWith(openMark) ? sealed.slice(openMark.length) : undefined;
    if (!sealed.startsWith(sealedMark)) return undefined;
    const bytes = Buffer.from(sealed.slice(sealedMark.length), "base64url");
    if (bytes.length < nonceLength + tagLength) return undefined;
    try {
      const decipher = createDecipheriv(algorithm, this.#key, bytes.subarray(0, nonceLength), {
        authTagLength: tagLength,
      });
      decipher.setAAD(Buffer.from(name)).setAuthTag(bytes.subarray(-tagLength));
      const text = decipher.update(bytes.subarray(nonceLength, -tagLength));
      return Buffer.concat([text, decipher.final()]).toString("utf8");
    } catch {
      return undefined;
    }
  }
}

const algorithm = "aes-256-gcm";
const [nonceLength, tagLength] = [12, 16];

/** In front of the text, with the version of the form. */
const [openMark, sealedMark] = ["open1:", "gcm1:"];
