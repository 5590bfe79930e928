/** Silences: problems of a kind, a pool or an upstream of which receivers are not told until a time, with the reason for it. */

import { newId } from "../lib/secrets.ts";
import type { ServiceProblem } from "../problems/problem.ts";
import type { SilenceRow } from "../state/alert-record.ts";

/** More would hide what is silent. */
export const maxSilences = 100;

/** A longer one is forgotten; what is silent for good belongs into the configuration. */
export const maxSilenceMs = 30 * 86_400_000;

export type NewSilence = Omit<SilenceRow, "id" | "at">;

export class Silences {
  #silences: readonly SilenceRow[] = [];

  /** Oldest first. */
  get all(): readonly SilenceRow[] {
    return this.#silences;
  }

  restore(silences: readonly SilenceRow[]): void {
    this.#silences = silences.slice(-maxSilences);
  }

  /** @returns undefined if there are too many already */
  add(silence: NewSilence, at: number): SilenceRow | undefined {
    if (this.#silences.length >= maxSilences) return undefined;
    const row = {
      id: `s-${newId()
        .replace(/[^A-Za-z0-9]/g, "")
        .slice(0, 8)
        .toLowerCase()}`,
      at,
      ...silence,
    };
    this.#silences = [...this.#silences, row];
    return row;
  }

  /** @returns undefined if there is no such silence */
  remove(id: string): SilenceRow | undefined {
    const found = this.#silences.find((silence) => silence.id === id);
    if (found) this.#silences = this.#silences.filter((silence) => silence !== found);
    return found;
  }

  /** Removes silences whose time is over, and returns them. */
  expire(now: number): readonly SilenceRow[] {
    if (this.#silences.every(({ until }) => until > now)) return [];
    const over = this.#silences.filter(({ until }) => until <= now);
    this.#silences = this.#silences.filter(({ until }) => until > now);
    return over;
  }

  /** Of all that apply, the one that lasts longest. */
  of({ kind, subject }: Pick<ServiceProblem, "kind" | "subject">): SilenceRow | undefined {
    let found: SilenceRow | undefined;
    for (const silence of this.#silences) {
      const applies =
        (silence.kind === null || silence.kind === kind) &&
        (silence.pool === null || silence.pool === subject.pool) &&
        (silence.upstream === null || silence.upstream === subject.upstream);
      if (applies && (!found || silence.until > found.until)) found = silence;
    }
    return found;
  }
}

/** The problem with what silences it. It stays in every list: only receivers are not told. */
export function withSilence(problem: ServiceProblem, silence: SilenceRow | undefined): ServiceProblem {
  if (!silence) return problem;
  const { until, by, why } = silence;
  return { ...problem, silenced: { until: new Date(until).toISOString(), by, why } };
}

/** "upstream web-11", "kind probe_flaps in pool search" */
export function silenceSubject({
  kind,
  pool,
  upstream,
}: Pick<SilenceRow, "kind" | "pool" | "upstream">): string {
  const parts = [
    ...(kind === null ? [] : [`kind ${kind}`]),
    ...(upstream === null ? [] : [`upstream ${upstream}`]),
    ...(pool === null ? [] : [`pool ${pool}`]),
  ];
  return parts.join(" of ");
}
