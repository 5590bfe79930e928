/** The latencies of the last minute as a histogram; screen readers get a table. */
/** @jsxImportSource @kitajs/html */

import type { LatencyBucket } from "../../snapshot/snapshot.ts";
import { formatCount, formatMs, formatShare } from "../../wording/format.ts";

export function LatencyBars({ bars }: { readonly bars: readonly LatencyBucket[] }): JSX.Element {
  const max = Math.max(...bars.map(({ count }) => count), 1);
  const total = bars.reduce((sum, { count }) => sum + count, 0);
  return (
    <section class="card" aria-labelledby="latency-name">
      <header class="card-head">
        <h2 id="latency-name">Latency</h2>
        <p class="quiet" safe>
          {`time to headers, ${formatCount(total)} responses in the last minute`}
        </p>
      </header>
      {bars.length === 0 ? (
        <p class="empty">No responses in the last minute.</p>
      ) : (
        <table class="bars">
          <thead class="unseen">
            <tr>
              <th scope="col">Up to</th>
              <th scope="col">Responses</th>
              <th scope="col">Share</th>
            </tr>
          </thead>
          <tbody>
            {bars.map(({ toMs, count }) => (
              <tr>
                <th scope="row" safe>
                  {formatMs(toMs)}
                </th>
                <td class="bar-cell">
                  <svg width="100%" height="12" aria-hidden="true">
                    <rect
                      class="bar-part"
                      width={`${((count / max) * 100).toFixed(1)}%`}
                      height="12"
                      rx="2"
                    />
                  </svg>
                  <span class="unseen" safe>
                    {formatCount(count)}
                  </span>
                </td>
                <td class="bar-share" safe>
                  {formatShare(count / Math.max(1, total))}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
