/** The card of what counts as a problem: each kind with its thresholds, and which receivers get it. */
/** @jsxImportSource @kitajs/html */

import type { ReceiverSnapshot } from "../../alerts/alerts-snapshot.ts";
import { type KindText, kindTexts } from "../../wording/problem-kinds.ts";

interface KindsProps {
  readonly receivers: readonly ReceiverSnapshot[];
}

export function KindsCard({ receivers }: KindsProps): JSX.Element {
  return (
    <section class="card kinds-card" aria-labelledby="kinds-name">
      <header class="card-head">
        <h2 id="kinds-name">What counts as a problem</h2>
        <p class="quiet">
          in the list, the API, <code>evenkeel status</code> and here alike
        </p>
      </header>
      <div class="scroll" tabindex="0" role="group" aria-label="What counts as a problem">
        <table class="alerts-table kinds">
          <thead>
            <tr>
              {["Problem", "From", "Opens after", "Closes after", "Sent to"].map((name) => (
                <th scope="col">{name}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {kindTexts.map((text) => (
              <KindRow text={text} receivers={receivers} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function KindRow({ text, receivers }: KindsProps & { readonly text: KindText }): JSX.Element {
  const { kind, name, from, opensAfter, closesAfter } = text;
  const names = receivers
    .filter(({ kinds }) => kinds === null || kinds.includes(kind))
    .map((receiver) => receiver.name);
  const isAll = names.length === receivers.length && names.length > 1;
  return (
    <tr>
      <th scope="row">
        <span safe>{name}</span> <code class="quiet">{kind}</code>
      </th>
      <td class="quiet" safe>
        {from}
      </td>
      <td data-label="opens after" safe>
        {opensAfter}
      </td>
      <td data-label="closes after" safe>
        {closesAfter}
      </td>
      <td class="quiet" data-label="sent to" safe>
        {isAll ? "all" : names.join(", ") || "none"}
      </td>
    </tr>
  );
}
