/** What the orders of certificates share with the other balancers of a fleet. */

import type { CertificatePair } from "../tls/certificate-pair.ts";
import type { Challenge } from "./challenges.ts";
import type { StoredAccount, StoredOrder } from "./storage.ts";

/** A certificate with its key as PEM, and the directory of its authority. */
export interface SharedCertificate {
  readonly cert: string;
  readonly key: string;
  readonly directory: string;
}

/** How the last order of a host failed, at whichever balancer. */
export interface SharedFailure {
  /** In a row. */
  readonly failures: number;
  readonly reason: string;
  readonly detail: string;
  readonly retryAfterMs?: number | undefined;
  /** The clocks of two balancers may differ. */
  readonly ageMs: number;
}

/**
 * The right to order the certificate of one host. It ends when it is released, and when this balancer could not prolong it: then
 * another one may have it, and nothing of this one counts any more.
 */
export interface HostLease {
  /** An order that was begun, by whichever balancer. */
  readonly order: StoredOrder | undefined;
  readonly failure: SharedFailure | undefined;
  readonly certificate: SharedCertificate | undefined;
  /** Aborts when the lease has ended. */
  readonly lost: AbortSignal;
  /** These reject with a {@link LeaseLostError} if another balancer has the host now. */
  saveOrder(order: StoredOrder | undefined): Promise<void>;
  saveCertificate(pair: CertificatePair, directory: string): Promise<void>;
  saveFailure(failure: Omit<SharedFailure, "ageMs">): Promise<void>;
  release(): Promise<void>;
}

/** Another balancer orders the certificate: what this one has is of no use. */
export class LeaseLostError extends Error {
  override readonly name = "LeaseLostError";
}

export interface AcmeSharing {
  /**
   * Undefined while another balancer has the host, or the store is away: then nothing is ordered. Rejects with an OrderFailure if
   * what is in the store cannot be read here.
   */
  lease(host: string): Promise<HostLease | undefined>;
  /** The fleet's account at a directory: the given one if there is none yet. */
  account(directory: string, own: StoredAccount): Promise<StoredAccount>;
  saveAccount(directory: string, account: StoredAccount): Promise<void>;
  /** Resolves when every live balancer answers the challenge: the authority may ask any of them. */
  addChallenge(challenge: Challenge): Promise<void>;
  removeChallenge(challenge: Challenge): void;
}
