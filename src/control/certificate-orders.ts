/** Connects the orders of certificates with the rest: listeners, event log, log. */

import { Authority } from "../acme/authority.ts";
import type { AcmeSharing, SharedCertificate } from "../acme/acme-sharing.ts";
import { CertificateIssuer, type HeldCertificate, type IssuerObserver } from "../acme/certificate-issuer.ts";
import { ChallengePublisher, type ChallengeTarget, type HttpChallengeResponses } from "../acme/challenges.ts";
import type { AcmeSettings } from "../acme/settings.ts";
import { AcmeStorage } from "../acme/storage.ts";
import type { Schedule, WallClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Random } from "../lib/random.ts";
import type { CertificateStore } from "../tls/certificate-store.ts";
import { selfSigned } from "../tls/self-signed.ts";
import type { EventLog } from "./event-log.ts";

export interface CertificateOrdersOptions {
  readonly store: CertificateStore;
  readonly responses: HttpChallengeResponses;
  /** Resolves when every process answers the challenges as they are now. */
  readonly announce: () => Promise<void>;
  readonly eventLog: Pick<EventLog, "add">;
  readonly log: Log;
  /** Version of this program, for the User-Agent. */
  readonly version: string;
  readonly pid: number;
  readonly wallClock: WallClock;
  readonly schedule: Schedule;
  readonly random: Random;
  /** Connects the orders with the other balancers of a fleet. */
  readonly share?: ((own: OwnOrders) => AcmeSharing) | undefined;
}

/** What the others of a fleet get to see, and to change, of the orders of this balancer. */
export interface OwnOrders {
  /** Answers challenges here. */
  readonly challenges: ChallengeTarget;
  readonly held: () => readonly HeldCertificate[];
  readonly onCertificate: (host: string, certificate: SharedCertificate) => void;
}

/** Longer than any authority takes; each start creates a new one. */
const placeholderDays = 365;

/** The source of the certificates in the store. */
const storeSource = "acme";

export function certificateOrders(options: CertificateOrdersOptions): CertificateIssuer {
  const { store, responses, announce, wallClock, schedule, random, version, pid } = options;
  const storages = new Map<string, AcmeStorage>();
  const authorities = new Map<string, Authority>();
  const own = new ChallengePublisher({ responses, store, announce });
  const sharing = options.share?.({
    challenges: own,
    held: () => issuer.held,
    onCertificate: (...given) => issuer.adopt(...given),
  });
  const challenges = sharing ? sharedChallenges(own, sharing) : own;
  const storageAt = (folder: string) => {
    const storage = storages.get(folder) ?? new AcmeStorage(folder, pid);
    storages.set(folder, storage);
    return storage;
  };
  const authorityOf = ({ hosts: _, ...settings }: AcmeSettings) => {
    const key = JSON.stringify(settings);
    const authority =
      authorities.get(key) ??
      new Authority({
        ...{ settings, challenges, wallClock, sharing },
        storage: storageAt(settings.storage),
        userAgent: `evenkeel/${version}`,
        wait: (delayMs, signal) => wait(delayMs, signal, schedule),
      });
    authorities.set(key, authority);
    return authority;
  };
  const issuer: CertificateIssuer = new CertificateIssuer({
    ...{ storageAt, sharing },
    issue: (host, settings, { signal, lease }) => authorityOf(settings).issue(host, signal, lease),
    placeholder: (host) => selfSigned(host, `self-signed for ${host}`, { days: placeholderDays }),
    publish: (pairs) => store.replace(storeSource, pairs),
    observer: orderRecorder(options),
    ...{ wallClock, schedule, random },
  });
  return issuer;
}

/** Answered here first, then everywhere. */
function sharedChallenges(own: ChallengeTarget, sharing: AcmeSharing): ChallengeTarget {
  return {
    async add(challenge) {
      await own.add(challenge);
      await sharing.addChallenge(challenge);
    },
    remove(challenge) {
      own.remove(challenge);
      sharing.removeChallenge(challenge);
    },
  };
}

function wait(delayMs: number, signal: AbortSignal, schedule: Schedule): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const stop = () => reject(new Error("Cannot finish the order: the balancer stops"));
  if (signal.aborted) stop();
  const cancel = schedule(delayMs, resolve);
  signal.addEventListener("abort", stop, { once: true });
  return promise.finally(() => {
    cancel();
    signal.removeEventListener("abort", stop);
  });
}

/** A first order may fail while its name moves here: the event comes after this many failures in a row. */
const failuresBeforeEvent = 3;

export function orderRecorder({
  eventLog,
  log,
}: Pick<CertificateOrdersOptions, "eventLog" | "log">): IssuerObserver {
  const record = (to: string, reason: string, detail: string) => {
    const common = { kind: "certificate", pool: null, upstream: null, from: "", by: "balancer" } as const;
    eventLog.add({ ...common, to, reason, detail });
  };
  return {
    placeholderShown(host) {
      log.warn("self-signed certificate in use", { host, until: "the first certificate of the authority" });
      record("self-signed", "certificate_missing", `${host}: until the authority has issued a certificate`);
    },
    issued({ host, expiresAt, isRenewal, isEarly }) {
      const expires = new Date(expiresAt).toISOString();
      const what = isRenewal ? "renewed" : "issued";
      log.info(`certificate ${what}`, { host, expiresAt: expires });
      if (isEarly)
        log.warn("certificate not valid yet", { host, why: "the clock of this machine may be wrong" });
      record(what, `certificate_${what}`, `${host}: expires on ${expires.slice(0, 10)}`);
    },
    adopted({ host, expiresAt }) {
      const expires = new Date(expiresAt).toISOString();
      log.info("certificate taken over", { host, expiresAt: expires });
      const detail = `${host}: ordered by another balancer of the fleet; expires on ${expires.slice(0, 10)}`;
      record("adopted", "certificate_adopted", detail);
    },
    failed({ host, failure, failures, isRenewal, nextAt, expiresAt }) {
      const { reason, message: why } = failure;
      const next = new Date(nextAt).toISOString();
      const current = expiresAt === undefined ? undefined : new Date(expiresAt).toISOString();
      const fields = { host, reason, why, failures, next, ...(current !== undefined && { current }) };
      log.warn(isRenewal ? "certificate not renewed" : "certificate not issued", fields);
      if (failures !== failuresBeforeEvent && !(isRenewal && failures === 1)) return;
      const stays =
        current === undefined ? "" : `; the current certificate expires on ${current.slice(0, 10)}`;
      record("failed", reason, `${host}: ${why}; next order at ${next}${stays}`);
    },
  };
}
