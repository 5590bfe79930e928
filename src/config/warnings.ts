/** What a valid configuration does that its operator should hear of: at the start, at a reload and in a check. */

import { originOf } from "../pool/upstream.ts";
import type { Config } from "./config.ts";
import { certificatesOf, describeExpiry } from "../tls/expiry.ts";

/** Sentences without full stop. @param now epoch milliseconds */
export function warningsIn(config: Config, now: number): readonly string[] {
  return [...expiryWarnings(config, now), ...trustWarnings(config)];
}

function expiryWarnings(config: Config, now: number): readonly string[] {
  return certificatesOf(config).flatMap((certificate) => {
    const words = describeExpiry(certificate, now);
    const { listener, path } = certificate;
    return words === undefined ? [] : [`${listener}.tls.cert: the certificate from ${path} ${words}`];
  });
}

function trustWarnings({ pools }: Config): readonly string[] {
  return pools.flatMap(({ upstreams }) =>
    upstreams
      .filter(({ address }) => address.tls?.verify === false)
      .map(
        ({ id, address }) =>
          `upstream ${id}: the certificate of ${originOf(address)} is not verified, whoever answers there is believed`,
      ),
  );
}
