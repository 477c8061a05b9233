// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";

/// @title Pre-authorised payments held on chain.
/// @notice An operator locks a payer's tokens for one recipient, like a hold on a card, and later settles or cancels:
///
///     authorize -> Held -- settle --> Settled    (recipient is paid, the payer gets the rest back)
///                    |---- cancel --> Cancelled  (the payer gets everything back)
///                    '---- expire --> Expired    (the same; anybody may do it from `expiresAt` on)
///
/// @dev Who approves this contract as a spender trusts its operators with the approved amount: they choose the
/// recipient. An id is used once and for ever, so that whoever sends an instruction twice executes it once. Tokens that
/// take a fee on transfer are refused, because a hold is worth exactly what is written down for it. A refund that the
/// token refuses (a payer who was put on its blacklist) must not keep the recipient from being paid: it is kept as
/// `owed` and anybody may `claim` it for the payer.
contract PreauthEscrow is AccessControl, ReentrancyGuard {
    using SafeERC20 for IERC20;

    /// @notice May authorize, settle and cancel.
    bytes32 public constant OPERATOR_ROLE = keccak256("OPERATOR_ROLE");

    enum State {
        None,
        Held,
        Settled,
        Cancelled,
        Expired
    }

    struct Hold {
        address payer;
        uint64 expiresAt;
        State state;
        IERC20 token;
        address recipient;
        uint256 amount;
    }

    mapping(bytes32 id => Hold) private _holds;

    /// @notice Refunds that a token refused, by token and payer, until somebody claims them for the payer.
    mapping(IERC20 token => mapping(address payer => uint256)) public owed;

    event Authorized(
        bytes32 indexed id,
        address indexed payer,
        address indexed recipient,
        IERC20 token,
        uint256 amount,
        uint64 expiresAt
    );
    event Settled(bytes32 indexed id, uint256 paid, uint256 refunded);
    event Cancelled(bytes32 indexed id, uint256 refunded);
    event Expired(bytes32 indexed id, uint256 refunded);
    event RefundDeferred(bytes32 indexed id, address indexed payer, IERC20 token, uint256 amount);
    event RefundClaimed(address indexed payer, IERC20 indexed token, uint256 amount);

    error AlreadyUsed(bytes32 id);
    error NotHeld(bytes32 id, State state);
    error NotYetExpired(bytes32 id, uint64 expiresAt);
    error PastExpiry(bytes32 id, uint64 expiresAt);
    error InvalidParty(address party);
    error InvalidAmount(uint256 amount);
    error ExceedsHold(bytes32 id, uint256 requested, uint256 held);
    error UnexpectedTransfer(uint256 expected, uint256 received);
    error NothingOwed(IERC20 token, address payer);

    /// @param admin grants and revokes the operator role.
    /// @param operator the first operator.
    constructor(address admin, address operator) {
        if (admin == address(0)) revert InvalidParty(admin);
        if (operator == address(0)) revert InvalidParty(operator);
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        _grantRole(OPERATOR_ROLE, operator);
    }

    /// @notice Locks `amount` of the payer's tokens, which the payer has approved, for `recipient`.
    /// @param id chosen by the operator, never used before.
    /// @param expiresAt seconds since the epoch, in the future; from then on the hold can only be refunded.
    function authorize(
        bytes32 id,
        address payer,
        IERC20 token,
        uint256 amount,
        address recipient,
        uint64 expiresAt
    ) external onlyRole(OPERATOR_ROLE) nonReentrant {
        if (_holds[id].state != State.None) revert AlreadyUsed(id);
        if (payer == address(0) || payer == address(this)) revert InvalidParty(payer);
        if (recipient == address(0) || recipient == address(this)) revert InvalidParty(recipient);
        if (amount == 0) revert InvalidAmount(amount);
        if (expiresAt <= block.timestamp) revert PastExpiry(id, expiresAt);

        _holds[id] = Hold(payer, expiresAt, State.Held, token, recipient, amount);
        emit Authorized(id, payer, recipient, token, amount, expiresAt);

        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(payer, address(this), amount);
        uint256 received = token.balanceOf(address(this)) - before;
        if (received != amount) revert UnexpectedTransfer(amount, received);
    }

    /// @notice Pays `amount` of the hold to its recipient and the rest back to the payer. Refused once it has expired.
    function settle(bytes32 id, uint256 amount) external onlyRole(OPERATOR_ROLE) nonReentrant {
        Hold storage hold = _held(id);
        if (block.timestamp >= hold.expiresAt) revert PastExpiry(id, hold.expiresAt);
        if (amount == 0) revert InvalidAmount(amount);
        if (amount > hold.amount) revert ExceedsHold(id, amount, hold.amount);

        uint256 rest = hold.amount - amount;
        hold.state = State.Settled;
        emit Settled(id, amount, rest);

        hold.token.safeTransfer(hold.recipient, amount);
        _refund(id, hold, rest);
    }

    /// @notice Gives the whole hold back to the payer.
    function cancel(bytes32 id) external onlyRole(OPERATOR_ROLE) nonReentrant {
        Hold storage hold = _held(id);
        hold.state = State.Cancelled;
        emit Cancelled(id, hold.amount);
        _refund(id, hold, hold.amount);
    }

    /// @notice Gives an expired hold back to the payer. Anybody may call it, so that no operator can keep it.
    function expire(bytes32 id) external nonReentrant {
        Hold storage hold = _held(id);
        if (block.timestamp < hold.expiresAt) revert NotYetExpired(id, hold.expiresAt);
        hold.state = State.Expired;
        emit Expired(id, hold.amount);
        _refund(id, hold, hold.amount);
    }

    /// @notice Pays a deferred refund out to the payer it belongs to. Anybody may call it.
    function claim(IERC20 token, address payer) external nonReentrant {
        uint256 amount = owed[token][payer];
        if (amount == 0) revert NothingOwed(token, payer);
        owed[token][payer] = 0;
        emit RefundClaimed(payer, token, amount);
        token.safeTransfer(payer, amount);
    }

    /// @notice What is known of an id; `state` is `None` when it was never used.
    function holdOf(bytes32 id) external view returns (Hold memory) {
        return _holds[id];
    }

    function _held(bytes32 id) private view returns (Hold storage hold) {
        hold = _holds[id];
        if (hold.state != State.Held) revert NotHeld(id, hold.state);
    }

    function _refund(bytes32 id, Hold storage hold, uint256 amount) private {
        if (amount == 0) return;
        IERC20 token = hold.token;
        address payer = hold.payer;
        if (token.trySafeTransfer(payer, amount)) return;
        owed[token][payer] += amount;
        emit RefundDeferred(id, payer, token, amount);
    }
}
