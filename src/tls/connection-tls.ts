/** What the TLS handshake of one connection has decided, and which hosts its requests may name. */

import { hostNameIn } from "../net/address.ts";
import type { CertificatePair } from "./certificate-pair.ts";
import type { ClientIdentity } from "./client-certificate.ts";
import { isNameIn, type ListenerTls } from "./listener-tls.ts";

export interface ConnectionTlsOptions {
  readonly listener: ListenerTls;
  /** The name that the client sent (SNI). */
  readonly serverName: string | undefined;
  /** Present if the client showed a certificate that was verified for this name. */
  readonly client?: ClientIdentity | undefined;
  /** As "TLSv1.3". */
  readonly version?: string | undefined;
  /** Whether its requests may be for other hosts than it was made for, unless this is checked. */
  readonly isShared?: boolean;
}

export class ConnectionTls {
  readonly client: ClientIdentity | undefined;
  readonly version: string | undefined;
  readonly #listener: ListenerTls;
  readonly #isShared: boolean;
  readonly #serverName: string | undefined;
  readonly #shown: CertificatePair | undefined;
  /** Of the last request that was not misdirected. */
  #lastHost: string | undefined;

  constructor({ listener, serverName, client, version, isShared = false }: ConnectionTlsOptions) {
    this.client = client;
    this.version = version;
    this.#isShared = isShared;
    this.#listener = listener;
    this.#serverName = serverName?.toLowerCase();
    this.#shown = isShared ? listener.certificateFor(serverName) : undefined;
  }

  /** The name that the client sent (SNI), in lower case. */
  get serverName(): string | undefined {
    return this.#serverName;
  }

  /**
   * Whether a request for this host belongs on another connection: browsers use one connection for all names of its
   * certificate (RFC 9113 section 9.1.1), and a host may require a certificate of the client that this connection lacks.
   * @param host as in the Host header
   */
  isMisdirected(host: string): boolean {
    if (!this.#isShared || host === this.#lastHost) return false;
    const name = hostNameIn(host);
    if (name !== this.#serverName && !this.#covers(name)) return true;
    this.#lastHost = host;
    return false;
  }

  #covers(name: string): boolean {
    const hosts = this.#listener.clientCertificates?.hosts;
    const isProtected = (one: string | undefined) => one !== undefined && isNameIn(one, hosts ?? []);
    if (isProtected(name) !== isProtected(this.#serverName)) return false;
    // Without a name it was the client's choice to ignore which certificate came.
    if (this.#serverName === undefined) return true;
    return this.#shown !== undefined && isNameIn(name, this.#shown.names);
  }
}
