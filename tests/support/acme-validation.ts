/** How the tests' certificate authority checks challenges: by real requests and handshakes on loopback. */

import { createHash, X509Certificate } from "node:crypto";
import { request } from "node:http";
import { connect } from "node:tls";

import * as x509 from "@peculiar/x509";

const timeoutMs = 3_000;

export interface HttpCheck {
  readonly name: string;
  readonly port: number;
  readonly token: string;
  readonly keyAuthorization: string;
}

/** RFC 8555 section 8.3. @returns what is wrong */
export function checkHttpChallenge({
  name,
  port,
  token,
  keyAuthorization,
}: HttpCheck): Promise<string | undefined> {
  return new Promise((resolve) => {
    const path = `/.well-known/acme-challenge/${token}`;
    const options = {
      host: "127.0.0.1",
      port,
      path,
      headers: { Host: name },
      agent: false,
      timeout: timeoutMs,
    };
    const sent = request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => void chunks.push(chunk));
      response.on("end", () => {
        const body = Buffer.concat(chunks).toString().trim();
        if (response.statusCode === 200 && body === keyAuthorization) return resolve(undefined);
        return resolve(
          `invalid response from http://${name}${path}: ${response.statusCode} ${body.slice(0, 80)}`,
        );
      });
    });
    sent.on("timeout", () => sent.destroy(new Error("timeout")));
    sent.on("error", (error) => resolve(`cannot fetch http://${name}${path}: ${error.message}`));
    sent.end();
  });
}

const acmeIdentifier = "1.3.6.1.5.5.7.1.31";

/** RFC 8737 section 3. @returns what is wrong */
export function checkTlsChallenge({
  name,
  port,
  keyAuthorization,
}: Omit<HttpCheck, "token">): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({
      host: "127.0.0.1",
      port,
      servername: name,
      ALPNProtocols: ["acme-tls/1"],
      rejectUnauthorized: false,
      timeout: timeoutMs,
    });
    socket.on("secureConnect", () => {
      const { raw } = socket.getPeerCertificate();
      const selected = socket.alpnProtocol;
      socket.destroy();
      if (selected !== "acme-tls/1") return resolve(`selected ${String(selected)} instead of acme-tls/1`);
      const names = new X509Certificate(raw).subjectAltName;
      if (names !== `DNS:${name}`) return resolve(`the certificate names ${names}`);
      const extension = new x509.X509Certificate(new Uint8Array(raw)).getExtension(acmeIdentifier);
      const digest = createHash("sha256").update(keyAuthorization).digest("hex");
      // An OCTET STRING of 32 bytes.
      const isRight = extension?.critical && Buffer.from(extension.value).toString("hex") === `0420${digest}`;
      return resolve(isRight ? undefined : "the certificate has another key authorization");
    });
    socket.on("timeout", () => socket.destroy(new Error("timeout")));
    socket.on("error", (error) => resolve(`cannot connect to ${name}: ${error.message}`));
  });
}
