/** What a valid configuration does that its operator should hear of: at the start, at a reload and in a check. */

import { originOf } from "../pool/upstream.ts";
import { validityOf } from "./certificates.ts";
import type { Config } from "./config.ts";

/** Sentences without full stop. @param now epoch milliseconds */
export function warningsIn({ listen, pools }: Config, now: number): readonly string[] {
  const unverified = pools.flatMap(({ upstreams }) =>
    upstreams
      .filter(({ address }) => address.tls?.verify === false)
      .map(
        ({ id, address }) =>
          `upstream ${id}: the certificate of ${originOf(address)} is not verified, whoever answers there is believed`,
      ),
  );
  if (!listen.tls) return unverified;
  const { from, until } = validityOf(listen.tls.cert);
  const file = `listen.tls.cert: the certificate in ${listen.tls.certPath}`;
  if (until <= now) return [`${file} expired on ${dayOf(until)}`, ...unverified];
  return from > now ? [`${file} is not valid before ${dayOf(from)}`, ...unverified] : unverified;
}

function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}
