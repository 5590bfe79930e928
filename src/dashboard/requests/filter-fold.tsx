/** Folds the filter of requests on narrow screens, and says what it is set to. Wide screens show the fields at once. */
/** @jsxImportSource @kitajs/html */

import { Icon } from "../layout/icon.tsx";
import { attribute } from "../responses.ts";
import {
  filterLabels,
  type FilterName,
  filterNames,
  onFirstPage,
  outcomeChoices,
  type RequestFilterState,
  requestsUrl,
} from "./filter.tsx";

/** Links of other pages set these: who follows one wants to see its rows. What is typed opens the fields. */
const setByLinks: ReadonlySet<FilterName> = new Set(["outcome", "pool", "upstream", "route"]);

interface FoldProps {
  readonly filter: RequestFilterState;
  /** The form. */
  readonly children: JSX.Element;
}

/** Without the script too: the fold is the browser's own. */
export function FilterFold({ filter, children }: FoldProps): JSX.Element {
  const set = filterNames.filter((name) => filter.filter[name] !== undefined);
  const isOpen = set.some((name) => !setByLinks.has(name));
  return (
    <div class="filter-fold">
      <details {...(isOpen ? { open: true } : {})}>
        <summary>
          <Icon name="chevron" /> Filters{" "}
          <span class="quiet" safe>
            {set.length === 0 ? "none set" : `${set.length} set`}
          </span>
        </summary>
        {children}
      </details>
      {set.length === 0 ? (
        ""
      ) : (
        <ul class="filter-chips" aria-label="Filters that are set">
          {set.map((name) => (
            <li>
              <span class="quiet" safe>
                {filterLabels[name]}
              </span>{" "}
              <span safe>{valueText(name, filter)}</span>
              <a href={attribute(requestsUrl(without(name, filter)))}>
                <span class="unseen" safe>
                  {`Remove the filter ${filterLabels[name].toLowerCase()}`}
                </span>
                <Icon name="close" />
              </a>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function valueText(name: FilterName, { filter }: RequestFilterState): string {
  const value = filter[name] ?? "";
  const known = name === "outcome" ? outcomeChoices.find(([outcome]) => outcome === value) : undefined;
  return known?.[1] ?? value;
}

function without(name: FilterName, filter: RequestFilterState): RequestFilterState {
  const { [name]: _, ...rest } = filter.filter;
  return { ...onFirstPage(filter), filter: rest };
}
