/** The configuration taken anew: first what that would change, then the button that does it; and what was refused last. */
/** @jsxImportSource @kitajs/html */

import { createHash } from "node:crypto";
import type { ConfigurationSnapshot } from "../../snapshot/snapshot.ts";
import type { AdminResult } from "../admin-client.ts";
import type { ReloadView } from "../../client/decoders.ts";
import { Glyph } from "../layout/widgets.tsx";
import { formatAgo, formatTime, isoTime, joinList } from "../../wording/format.ts";
import { adminApiErrorSentence } from "../../wording/verdict.ts";
import { PostForm } from "../layout/forms.tsx";

/** What somebody did last with this card; undefined before. */
export interface ReloadPreview {
  readonly kind: "dry" | "apply";
  readonly result: AdminResult<ReloadView>;
  /** The file was another one than when it was looked at, so nothing was done. */
  readonly isStale?: boolean;
}

export interface ReloadCardProps {
  /** Undefined while the balancer cannot be asked. */
  readonly configuration: ConfigurationSnapshot | undefined;
  readonly now: number;
  readonly looked?: ReloadPreview | undefined;
}

/** Tells one plan from another: what is applied must be what was looked at. */
export function diffFingerprint({ diff }: ReloadView): string {
  return createHash("sha256").update(diff.join("\n")).digest("hex").slice(0, 16);
}

/** Children of the card, which the answer to its forms replaces. */
export function ReloadCard({ configuration, now, looked }: ReloadCardProps): JSX.Element {
  const seen = looked && "value" in looked.result ? looked.result.value : undefined;
  const canApply = looked?.kind === "dry" && seen !== undefined && seen.diff.length > 0;
  return (
    <>
      <header class="card-head">
        <h2 id="reload-name">Reload</h2>
        <p class="quiet">
          {configuration ? (
            <>
              taken at{" "}
              <time datetime={isoTime(configuration.takenAt)} safe>
                {formatTime(configuration.takenAt)}
              </time>
              <span safe>{`, ${formatAgo(now - configuration.takenAt)}`}</span>
            </>
          ) : (
            ""
          )}
        </p>
      </header>
      {configuration?.refused && looked === undefined ? (
        <Refused refused={configuration.refused} now={now} />
      ) : (
        ""
      )}
      {configuration && configuration.needsRestart.length > 0 ? (
        <p class="remark" data-tone="warn" safe>
          {`Only a restart brings ${joinList(configuration.needsRestart)}.`}
        </p>
      ) : (
        ""
      )}
      <div id="reload-result" role="status">
        {looked ? (
          <Result looked={looked} />
        ) : (
          <p class="remark quiet">
            Reads the configuration anew, with the same flags. Health, counts and connections stay as they
            are.
          </p>
        )}
      </div>
      <p class="remark quiet" data-lacks="admin">
        It takes an admin to reload.
      </p>
      <div class="buttons">
        {canApply ? (
          <PostForm
            action="/config/apply"
            target="#reload"
            needs="admin"
            fields={{ seen: diffFingerprint(seen) }}
          >
            <button type="submit" class="main" safe>
              {seen.diff.length === 1 ? "Apply this change" : `Apply these ${seen.diff.length} changes`}
            </button>
          </PostForm>
        ) : (
          ""
        )}
        <PostForm action="/config/look" target="#reload" needs="admin">
          <button type="submit" class={canApply ? "" : "main"}>
            {canApply ? "Look again" : "See what would change"}
          </button>
        </PostForm>
      </div>
    </>
  );
}

function Refused({
  refused: { at, by, problems },
  now,
}: {
  readonly refused: NonNullable<ConfigurationSnapshot["refused"]>;
  readonly now: number;
}): JSX.Element {
  return (
    <div class="danger" data-tone="bad">
      <Glyph shape="cross" />
      <div>
        <p
          safe
        >{`Refused ${formatAgo(now - at)}, asked for by ${by}: the configuration before it goes on.`}</p>
        <Problems problems={problems} />
      </div>
    </div>
  );
}

function Problems({ problems }: { readonly problems: readonly string[] }): JSX.Element {
  return (
    <ul class="problems">
      {problems.map((problem) => (
        <li>
          <code safe>{problem}</code>
        </li>
      ))}
    </ul>
  );
}

function Result({ looked: { kind: way, result, isStale } }: { readonly looked: ReloadPreview }): JSX.Element {
  if ("error" in result) {
    return (
      <div class="danger" data-tone="bad">
        <Glyph shape="cross" />
        <div>
          <p safe>{adminApiErrorSentence(result.error)}</p>
          <Problems problems={result.error.problems ?? []} />
        </div>
      </div>
    );
  }
  const { diff, applied, needsRestart } = result.value;
  if (diff.length === 0) return <p class="remark">The configuration says what it said before.</p>;
  const text = isStale
    ? "Nothing was done: the file has changed since you looked. This is what it would change now."
    : way === "dry"
      ? "This would change:"
      : applied
        ? "This was changed:"
        : "Nothing was changed: a restart is needed.";
  return (
    <>
      <p class="remark" {...(isStale ? { "data-tone": "warn" } : {})} safe>
        {text}
      </p>
      <ul class="diff">
        {diff.map((line) => (
          <li data-sign={signOf(line)}>
            <code safe>{line}</code>
          </li>
        ))}
      </ul>
      {needsRestart.length > 0 && way === "dry" ? (
        <p class="remark" data-tone="warn" safe>
          {`${joinList(needsRestart)} ${needsRestart.length === 1 ? "needs" : "need"} a restart; everything else counts at once.`}
        </p>
      ) : (
        ""
      )}
    </>
  );
}

/** As a word, because a sign says nothing in an attribute. */
function signOf(line: string): "add" | "remove" | "change" {
  return line.startsWith("+") ? "add" : line.startsWith("-") ? "remove" : "change";
}
