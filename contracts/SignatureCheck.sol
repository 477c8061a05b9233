// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

/// @title Asks a contract account whether a signature is its own (ERC-1271), also one that is not deployed yet (ERC-6492).
/// @dev Never deployed: it is the code of an `eth_call` without a recipient, and "returns" one byte as the code to deploy.
contract SignatureCheck {
    /// What ends a signature that tells how its account is deployed (ERC-6492).
    bytes32 private constant NOT_DEPLOYED = 0x6492649264926492649264926492649264926492649264926492649264926492;

    constructor(address account, bytes32 digest, bytes memory signature) {
        bool isValid = check(account, digest, signature);
        assembly ("memory-safe") {
            mstore(0, isValid)
            return(31, 1)
        }
    }

    function check(address account, bytes32 digest, bytes memory signature) private returns (bool) {
        if (tail(signature) == NOT_DEPLOYED) {
            assembly ("memory-safe") {
                mstore(signature, sub(mload(signature), 32))
            }
            address factory;
            bytes memory deploy;
            (factory, deploy, signature) = abi.decode(signature, (address, bytes, bytes));
            if (account.code.length == 0) {
                (bool isDeployed,) = factory.call(deploy);
                if (!isDeployed) return false;
            }
        }
        if (account.code.length == 0) return false;
        (bool hasAnswered, bytes memory answer) =
            account.staticcall(abi.encodeCall(IERC1271.isValidSignature, (digest, signature)));
        return hasAnswered && answer.length >= 32 && bytes4(tail(answer, 32)) == IERC1271.isValidSignature.selector;
    }

    function tail(bytes memory text) private pure returns (bytes32) {
        return text.length < 32 ? bytes32(0) : tail(text, text.length);
    }

    /// The 32 bytes that end at a place.
    function tail(bytes memory text, uint256 end) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := mload(add(text, end))
        }
    }
}
