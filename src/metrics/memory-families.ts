/** Metrics of the process itself: apart from those of pools and upstreams, which are counted. */

import type { Family } from "./prometheus.ts";

export interface Memory {
  readonly rssBytes: number;
  readonly limitBytes: number | null;
  readonly shedding: boolean;
}

const gauge = (name: string, help: string, value: number): Family => ({
  ...{ name, help, type: "gauge", labels: [] },
  samples: () => [{ labels: {}, value }],
});

export function stateFamily(isLost: boolean): Family {
  const help = "1 while what operators set and what is recorded may not survive a restart.";
  return gauge("evenkeel_state_not_kept", help, isLost ? 1 : 0);
}

export function memoryFamilies({ rssBytes, limitBytes, shedding }: Memory): readonly Family[] {
  return [
    gauge("evenkeel_resident_memory_bytes", "What all processes of the balancer take.", rssBytes),
    ...(limitBytes === null
      ? []
      : [gauge("evenkeel_memory_limit_bytes", "New requests are refused from here on.", limitBytes)]),
    gauge("evenkeel_shedding", "1 while new requests are refused for want of memory.", shedding ? 1 : 0),
  ];
}
