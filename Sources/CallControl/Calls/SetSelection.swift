// SPDX-License-Identifier: GPL-2.0-or-later
// set_rtp_proxy_set: which set the functions on a message use.

import Bytes

/// The set that `set_rtp_proxy_set` chose, and the message it holds for.
struct SetSelection {
    let message: UInt32
    let process: Int32
    let setID: UInt32
}

extension Worker {
    /// Chooses the set for the rest of the processing of this message. An unknown one leaves set 0.
    package mutating func selectSet<Host: CallHost>(_ host: Host, id: Int64) -> ReturnCode {
        selection = nil
        refreshDirectory()
        guard let setID = UInt32(exactly: id), directory.position(ofSet: setID) != nil else {
            return finish(host, .unknownSet(id), node: nil, isMedia: false)
        }
        selection = SetSelection(message: host.facts.id, process: host.facts.process, setID: setID)
        return .done
    }

    /// The same, the number as text.
    package mutating func selectSet<Host: CallHost>(_ host: Host, text: Span<UInt8>) -> ReturnCode {
        guard let number = Decimal.parse(text, text.trimmed(text.all), maximum: .max) else {
            selection = nil
            return finish(host, .badSet, node: nil, isMedia: false)
        }
        return selectSet(host, id: Int64(widening: number))
    }

    /// The set that was chosen for a message holds where its transaction goes on, too, in whichever process that is.
    package mutating func keepSet<Host: CallHost>(_ host: Host, of record: JobRecord) {
        selection = SetSelection(
            message: host.facts.id, process: host.facts.process, setID: record.header.setID)
    }

    /// The set that a call on this message uses: in an engaged dialog its own, whatever was chosen.
    func selectedSetID<Host: CallHost>(_ host: Host) -> UInt32 {
        if let session = host.engagedSession { return session.setID }
        guard let selection, selection.message == host.facts.id, selection.process == host.facts.process else {
            return 0
        }
        return selection.setID
    }
}
