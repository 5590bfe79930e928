/** The configuration page as a document, and the part of it that a reload replaces. */
/** @jsxImportSource @kitajs/html */

import type { Setting } from "../../config/effective.ts";
import type { AdminResult } from "../admin-client.ts";
import { ConfigView } from "../config/page.tsx";
import { markup, Shell } from "../layout/shell.tsx";
import { OverlayCard, type OverlayCardProps } from "../config/overrides-card.tsx";
import { ReloadCard, type ReloadCardProps } from "../config/reload-card.tsx";

export interface ConfigPageProps extends Pick<OverlayCardProps, "intents" | "exported"> {
  readonly told: AdminResult<readonly Setting[]>;
  readonly onlyChosen?: boolean;
  readonly reload: ReloadCardProps;
}

export function renderConfigPage({
  told: result,
  onlyChosen = false,
  intents,
  exported,
  reload,
}: ConfigPageProps): string {
  return markup(
    <Shell title="Configuration · Evenkeel" here="config">
      <main>
        <ConfigView told={result} onlyChosen={onlyChosen}>
          <div class="cards">
            <section class="card" id="reload" aria-labelledby="reload-name">
              <ReloadCard {...reload} />
            </section>
            <OverlayCard intents={intents} exported={exported} now={reload.now} />
          </div>
        </ConfigView>
      </main>
    </Shell>,
  );
}

/** Inside of the card. */
export function renderReload(reload: ReloadCardProps): string {
  return markup(<ReloadCard {...reload} />);
}
