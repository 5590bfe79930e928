/** The open challenges of certificate authorities, as listeners answer them. */

import type { CertificatePair } from "../tls/certificate-pair.ts";
import type { CertificateStore } from "../tls/certificate-store.ts";

/** One challenge: a response to http-01 (RFC 8555 section 8.3), or a certificate for tls-alpn-01 (RFC 8737). */
export type Challenge =
  | { readonly type: "http-01"; readonly host: string; readonly token: string; readonly response: string }
  | { readonly type: "tls-alpn-01"; readonly host: string; readonly pair: CertificatePair };

/** Where challenges are answered. */
export interface ChallengeTarget {
  /** Resolves when every process can answer: the authority may ask any of them. */
  add(challenge: Challenge): Promise<void>;
  remove(challenge: Challenge): void;
}

/** Tokens and responses, whole, as workers get them. */
export interface ChallengeState {
  /** Grows with every change, certificates for tls-alpn-01 included. */
  readonly version: number;
  readonly http: readonly (readonly [token: string, response: string])[];
}

/** The characters of a token (RFC 8555 section 8.3), at least the 128 bits that it has: no other file has such a name. */
export const tokenPattern = /^[\w-]{16,200}$/;

/** Responses to http-01. */
export class HttpChallengeResponses {
  #responses = new Map<string, string>();
  #version = 0;

  get state(): ChallengeState {
    return { version: this.#version, http: [...this.#responses] };
  }

  set(token: string, response: string): void {
    if (tokenPattern.test(token)) this.#responses.set(token, response);
    this.changed();
  }

  delete(token: string): void {
    this.#responses.delete(token);
    this.changed();
  }

  /** Also after a change of a certificate for tls-alpn-01, so that the workers confirm it. */
  changed(): void {
    this.#version += 1;
  }

  adopt({ version, http }: ChallengeState): void {
    this.#responses = new Map(http);
    this.#version = version;
  }

  /** Undefined for a token that is not ours. */
  responseTo(token: string): string | undefined {
    return this.#responses.get(token);
  }
}

export interface ChallengePublisherOptions {
  readonly responses: HttpChallengeResponses;
  readonly store: Pick<CertificateStore, "setChallenge">;
  /** Resolves when every process answers them as they are now. */
  readonly announce: () => Promise<void>;
}

/** Gives challenges to the listeners of all processes. */
export class ChallengePublisher implements ChallengeTarget {
  readonly #options: ChallengePublisherOptions;

  constructor(options: ChallengePublisherOptions) {
    this.#options = options;
  }

  add(challenge: Challenge): Promise<void> {
    const { responses, store, announce } = this.#options;
    if (challenge.type === "http-01") responses.set(challenge.token, challenge.response);
    else {
      store.setChallenge(challenge.host, challenge.pair);
      responses.changed();
    }
    return announce();
  }

  remove(challenge: Challenge): void {
    const { responses, store, announce } = this.#options;
    if (challenge.type === "http-01") responses.delete(challenge.token);
    else store.setChallenge(challenge.host, undefined);
    void announce();
  }
}
