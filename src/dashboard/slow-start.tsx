/** How far an upstream has come on its way back to its whole share, as a bar and in words. */
/** @jsxImportSource @kitajs/html */

import type { UpstreamSnapshot } from "../snapshot/snapshot.ts";
import { Bar } from "./bar.tsx";
import { formatRate, formatShare } from "../wording/format.ts";

interface SlowStartProps {
  readonly upstream: UpstreamSnapshot;
  /** Whether there is room to say what that means for its weight. */
  readonly isFull?: boolean;
}

export function SlowStartBar({ upstream, isFull = false }: SlowStartProps): JSX.Element {
  const { slowStart, effectiveWeight, weight } = upstream;
  if (slowStart === null) return "";
  const more = isFull ? `: counts as weight ${formatRate(effectiveWeight)} of ${weight}` : "";
  return (
    <span class="ramp">
      <Bar part={slowStart} height={4} />
      <span class="sub" safe>
        {`slow start ${formatShare(slowStart)}${more}`}
      </span>
    </span>
  );
}
