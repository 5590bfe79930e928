/** A pool at a glance: one mark for each upstream; of very many, a bar in parts. A text beside it says the same. */
/** @jsxImportSource @kitajs/html */

import type { ShownUpstream } from "./folding.ts";
import { attribute } from "../responses.ts";
import type { StateTone } from "../../wording/row-state.ts";

/** With more upstreams the marks are narrow. */
const maxWide = 40;

/** With more upstreams the marks become a bar. */
const maxMarks = 120;

/** The order of the parts of a bar. */
const tones: readonly StateTone[] = ["bad", "warn", "calm", "idle", "good"];

interface MapProps {
  readonly upstreams: readonly ShownUpstream[];
  /** "11 of 12 serve" */
  readonly text: string;
}

export function PoolMap({ upstreams, text }: MapProps): JSX.Element {
  const label = attribute(text);
  if (upstreams.length > maxMarks) return <StateBar upstreams={upstreams} label={label} />;
  return (
    <span class={upstreams.length > maxWide ? "map fine" : "map"} role="img" aria-label={label}>
      {upstreams.map(({ upstream, state }) => (
        <i data-tone={state.tone} title={attribute(`${upstream.id}: ${state.words}`)}></i>
      ))}
    </span>
  );
}

interface BarProps {
  readonly upstreams: readonly ShownUpstream[];
  readonly label: string;
}

/** SVG, because the content security policy forbids a width in a style attribute. */
function StateBar({ upstreams, label }: BarProps): JSX.Element {
  const shares = tones.map(
    (tone) => upstreams.filter(({ state }) => state.tone === tone).length / upstreams.length,
  );
  const percent = (share: number) => `${(share * 100).toFixed(2)}%`;
  return (
    <svg class="map-bar" width="100%" height="12" role="img" aria-label={label}>
      {tones.map((tone, index) => {
        const from = shares.slice(0, index).reduce((sum, share) => sum + share, 0);
        return shares[index] === 0 ? (
          ""
        ) : (
          <rect data-tone={tone} x={percent(from)} width={percent(shares[index] ?? 0)} height="12" />
        );
      })}
    </svg>
  );
}
