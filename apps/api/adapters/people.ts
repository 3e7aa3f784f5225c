import {
  addUser,
  createLoginCode,
  createToken,
  listTokens,
  listUsers,
  revokeTokenById,
  revokeUser,
  setRole,
  type Doorkeeper,
} from '#core/identity'
import type { ObjectStore } from '#core/storage'
import type { PeoplePort } from '../ports.ts'

/** Whatever is taken away holds at once in this process, and within seconds in others. */
export function peopleOf(store: ObjectStore, doorkeeper: Pick<Doorkeeper, 'forget'>): PeoplePort {
  return {
    async list() {
      return (await listUsers(store)).map(({ name, role }) => ({ name, role }))
    },
    async invite(name, role, by) {
      await addUser(store, name, role, { by })
      doorkeeper.forget()
      return createLoginCode(store, name)
    },
    link: (name) => createLoginCode(store, name),
    async setRole(name, role, by) {
      const user = await setRole(store, name, role, { by })
      doorkeeper.forget()
      return { name: user.name, role: user.role }
    },
    async remove(name, by) {
      await revokeUser(store, name, { by })
      doorkeeper.forget()
    },
    tokens: (name) => listTokens(store, name),
    createToken: (name, options) => createToken(store, name, options),
    async endToken(name, id) {
      await revokeTokenById(store, name, id)
      doorkeeper.forget()
    },
  }
}
