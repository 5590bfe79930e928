/** TLS of Bun's listeners by calls that stand in no documentation (Bun 1.4.5). They are tried before they are used. */

import { connect, createSecureContext, createServer, type Server } from "node:tls";
import type { CertificatePair } from "../../tls/certificate-pair.ts";
import { bunVersionsOf, type ListenerTls } from "../../tls/listener-tls.ts";
import { selfSigned } from "../../tls/self-signed.ts";
import { systemSchedule } from "../../lib/clock.ts";

/** Called with the name that a client sends; undefined selects the default certificate, an error refuses the handshake. */
type SelectContext = (data: unknown, serverName: string) => unknown;

export interface BunTls {
  readonly options: Bun.TLSOptions;
  /** For the listener's handlers. Missing in Bun's types. */
  readonly serverName: SelectContext;
  /** To be called with the listener: from then on the default certificate is the current one. @returns a function that ends this */
  follow(listener: unknown): () => void;
}

/** Contexts by certificate: making one takes longer than a handshake. */
const contexts = new WeakMap<CertificatePair, unknown>();

function contextFor(pair: CertificatePair): unknown {
  const known = contexts.get(pair);
  if (known !== undefined) return known;
  const { context } = createSecureContext(keyAndCert(pair));
  contexts.set(pair, context);
  return context;
}

function keyAndCert({ cert, key }: CertificatePair): { readonly cert: string; readonly key: string } {
  return { cert, key };
}

export function bunTlsOf(tls: ListenerTls, protocols: readonly string[]): BunTls {
  let presented = tls.certificateFor(undefined);
  const versions = bunVersionsOf(tls);
  return {
    options: {
      ...keyAndCert(presented ?? selfSigned("unnamed.invalid", "placeholder")),
      ALPNProtocols: wireForm(protocols),
      ...versions,
    } as Bun.TLSOptions,
    serverName(_, name) {
      const pair = tls.certificateFor(name);
      return pair ? contextFor(pair) : new Error("unrecognized name");
    },
    follow(listener) {
      // `listener.reload` ignores certificates. node:tls calls the right function of the handle that it believes to own.
      const server = Object.assign(createServer({}), { _handle: listener }) as Server;
      const present = () => server.setSecureContext({ ...(presented && keyAndCert(presented)), ...versions });
      // Bun.listen takes no TLS without a certificate; an empty context refuses clients that send no name.
      if (!presented) present();
      return tls.onChange(() => {
        const next = tls.certificateFor(undefined);
        if (next === presented) return;
        presented = next;
        present();
      });
    },
  };
}

/** The protocols as in the extension (RFC 7301 section 3.1): a plain list breaks every handshake on Bun. */
function wireForm(protocols: readonly string[]): Buffer {
  return Buffer.concat(protocols.flatMap((name) => [Buffer.from([name.length]), Buffer.from(name)]));
}

const trialTimeoutMs = 2_000;
let trial: Promise<boolean> | undefined;

/** Whether these calls work in this version of Bun: names select certificates, and certificates change, behind one listener. */
export function worksOnThisBun(): Promise<boolean> {
  return (trial ??= tryOut().catch(() => false));
}

async function tryOut(): Promise<boolean> {
  const [named, first, second] = ["named.test", "first.test", "second.test"].map((name) =>
    selfSigned(name, "self-test"),
  ) as [CertificatePair, CertificatePair, CertificatePair];
  let present = first;
  let changed = () => {};
  const tls: ListenerTls = {
    minVersion: "1.2",
    all: [],
    certificateFor: (name) => (name === undefined ? present : name === "named.test" ? named : undefined),
    answersChallenges: false,
    alpnChallenge: () => undefined,
    onChange(listener) {
      changed = listener;
      return () => {};
    },
  };
  const bun = bunTlsOf(tls, ["h2", "http/1.1"]);
  const handlers = { data() {}, open() {}, close() {}, error() {}, serverName: bun.serverName };
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, tls: bun.options, socket: handlers });
  try {
    bun.follow(listener);
    const before = await Promise.all([
      handshake(listener.port, "named.test"),
      handshake(listener.port, "other.test"),
      handshake(listener.port, undefined),
    ]);
    present = second;
    changed();
    const after = await Promise.all([
      handshake(listener.port, "named.test"),
      handshake(listener.port, undefined),
    ]);
    const expected = [named, undefined, first, named, second].map(
      (pair) => pair && `${pair.names[0]} http/1.1`,
    );
    return [...before, ...after].every((seen, index) => seen === expected[index]);
  } finally {
    listener.stop(true);
  }
}

/** @returns the name of the certificate and the protocol; undefined if the handshake is refused */
function handshake(port: number, servername: string | undefined): Promise<string | undefined> {
  return new Promise((resolve) => {
    const client = connect({
      port,
      host: "127.0.0.1",
      // Only to see which certificate comes: nothing is sent.
      rejectUnauthorized: false,
      ALPNProtocols: ["http/1.1"],
      ...(servername !== undefined && { servername }),
    });
    const cancel = systemSchedule(trialTimeoutMs, () => finish(undefined));
    const finish = (seen: string | undefined) => {
      cancel();
      client.destroy();
      resolve(seen);
    };
    client.once("error", () => finish(undefined));
    client.once("close", () => finish(undefined));
    client.once("secureConnect", () =>
      finish(`${String(client.getPeerCertificate().subject.CN)} ${String(client.alpnProtocol)}`),
    );
  });
}
