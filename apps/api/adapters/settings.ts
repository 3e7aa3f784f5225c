import { readSettings, saveSettings } from '#core/identity'
import type { ObjectStore } from '#core/storage'
import type { SettingsPort } from '../ports.ts'

export function settingsOf(store: ObjectStore): SettingsPort {
  return {
    read: (name) => readSettings(store, name),
    save: (name, settings) => saveSettings(store, name, settings),
  }
}
