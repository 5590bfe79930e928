/** Certificates for tests, and listeners that present them. */

import { type CertificatePair, readPair } from "../../src/tls/certificate-pair.ts";
import { CertificateStore } from "../../src/tls/certificate-store.ts";
import { type ListenerTlsOptions, StoredListenerTls } from "../../src/tls/listener-tls.ts";

export function pairOf(cert: string, key: string, source = "test"): CertificatePair {
  const pair = readPair({ cert, key, source });
  if ("why" in pair) throw new Error(pair.why);
  return pair;
}

/** The TLS of a listener with these certificates; the store changes them. */
export function tlsWith(pairs: readonly CertificatePair[], options: Partial<ListenerTlsOptions> = {}) {
  const store = new CertificateStore();
  store.replace("test", pairs);
  return { store, tls: new StoredListenerTls(store, { minVersion: "1.2", strictSni: false, ...options }) };
}
