/** The menu under the sun icon: theme, density, zone of times and keys. It needs the script, which keeps the choices. */
/** @jsxImportSource @kitajs/html */

import { AllKeysLink } from "../keys/key-list.tsx";
import { Icon } from "./icon.tsx";

type Choice = readonly [value: string, label: string];

/** Names and values are those of public/settings.js; the first value is the usual one. */
const settings: readonly (readonly [name: string, legend: string, choices: readonly Choice[]])[] = [
  ["theme", "Theme", [["system", "System"], ["light", "Light"], ["dark", "Dark"]]],
  ["density", "Rows", [["cosy", "Cosy"], ["roomy", "Roomy"]]],
  ["zone", "Times", [["utc", "UTC"], ["local", "Local"]]],
  ["keys", "Keys", [["on", "On"], ["off", "Off"]]],
]; // prettier-ignore

/** The style sheet hides it where no script has run. */
export function ViewMenu(): JSX.Element {
  return (
    <div class="view">
      <button
        type="button"
        class="icon-button"
        popovertarget="view"
        id="view-button"
        aria-label="Theme, rows, times and keys"
      >
        <Icon name="sun" />
      </button>
      <div class="popover menu view-menu" id="view" popover="auto">
        {settings.map(([name, legend, choices]) => (
          <fieldset>
            <legend>{legend}</legend>
            <span class="seg">
              {choices.map(([value, label], index) => (
                <label>
                  <input
                    type="radio"
                    name={`setting-${name}`}
                    value={value}
                    data-setting={name}
                    autocomplete="off"
                    {...(index === 0 ? { checked: true } : {})}
                  />
                  <span>{label}</span>
                </label>
              ))}
            </span>
          </fieldset>
        ))}
        <nav aria-label="Help">
          <AllKeysLink text="All keys" />
        </nav>
      </div>
    </div>
  );
}
