/** A certificate authority of the tests: signs certificates for requests, with the validity that a test chooses. */

import { webcrypto } from "node:crypto";

import * as x509 from "@peculiar/x509";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

export class TestAuthority {
  readonly #keys: CryptoKeyPair;
  readonly #root: x509.X509Certificate;

  private constructor(keys: CryptoKeyPair, root: x509.X509Certificate) {
    this.#keys = keys;
    this.#root = root;
  }

  static async create(): Promise<TestAuthority> {
    const keys = await newKeys();
    const root = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: "01",
      name: "CN=Test Root",
      notBefore: new Date(Date.now() - 86_400_000),
      notAfter: new Date(Date.now() + 10 * 365 * 86_400_000),
      signingAlgorithm: algorithm,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 1, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      ],
    });
    return new TestAuthority(keys, root);
  }

  /** Of the root, as PEM. */
  get pem(): string {
    return this.#root.toString("pem");
  }

  /** The names of a request, if its signature is valid. */
  async namesOf(csr: Uint8Array<ArrayBuffer>): Promise<readonly string[] | undefined> {
    const request = new x509.Pkcs10CertificateRequest(csr);
    if (!(await request.verify())) return undefined;
    return request.extensions.flatMap((extension) =>
      extension instanceof x509.SubjectAlternativeNameExtension
        ? extension.names.toJSON().map(({ value }) => value)
        : [],
    );
  }

  /** A chain as PEM for the public key of a request. */
  async sign(csr: Uint8Array<ArrayBuffer>, validity: { notBefore: Date; notAfter: Date }): Promise<string> {
    const request = new x509.Pkcs10CertificateRequest(csr);
    const names = (await this.namesOf(csr)) ?? [];
    return this.#issue(await request.publicKey.export(), names, validity);
  }

  /** A certificate with a key of its own, as PEM; for a day by default. */
  async pair(
    name: string,
    validity?: { notBefore: Date; notAfter: Date },
  ): Promise<{ cert: string; key: string }> {
    const keys = await newKeys();
    const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
    const key = `-----BEGIN PRIVATE KEY-----\n${der.replace(/.{64}/g, "$&\n")}\n-----END PRIVATE KEY-----\n`;
    const day = { notBefore: new Date(), notAfter: new Date(Date.now() + 86_400_000) };
    return { key, cert: await this.#issue(keys.publicKey, [name], validity ?? day) };
  }

  async #issue(
    publicKey: CryptoKey,
    names: readonly string[],
    validity: { notBefore: Date; notAfter: Date },
  ): Promise<string> {
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: Buffer.from(webcrypto.getRandomValues(new Uint8Array(8)))
        .toString("hex")
        .replace(/^[89a-f]/, "1"),
      subject: `CN=${names[0]}`,
      issuer: this.#root.subject,
      ...validity,
      signingAlgorithm: algorithm,
      publicKey,
      signingKey: this.#keys.privateKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: "dns" as const, value }))),
      ],
    });
    return `${certificate.toString("pem")}\n${this.pem}\n`;
  }
}

function newKeys(): Promise<CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
}
