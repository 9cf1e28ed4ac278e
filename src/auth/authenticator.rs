//! Who may do what, asked once a request by `http/`.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::credentials::Credentials;
use super::password_file::PasswordFile;
use super::throttle::{Throttle, network_of};
use super::{Action, AuthError, Denied, Policy, UserName};

/// Queues for addresses that wait for a hash. Two addresses that share one wait for each other, and that is all.
const QUEUES: usize = 64;

/// Answers whether a request may do what it wants. Cloning is cheap and shares everything.
#[derive(Clone)]
pub struct Authenticator {
    policy: Policy,
    desk: Option<Arc<Desk>>,
}

/// Where passwords are checked.
struct Desk {
    file: PasswordFile,
    throttle: Throttle,
    /// One permit each: an address, however many connections it opens, has one password checked at a time.
    queues: Vec<Arc<Semaphore>>,
    queue_hasher: RandomState,
    /// Half of the cores may hash; the rest go on serving.
    hashers: Arc<Semaphore>,
}

impl Authenticator {
    /// Reads the password file, if there is one. Blocks.
    ///
    /// # Errors
    /// A file that is missing, unreadable, or has a malformed line.
    pub fn open(policy: Policy, passwords: Option<PathBuf>) -> Result<Self, AuthError> {
        let desk = passwords.map(Desk::open).transpose()?.map(Arc::new);
        Ok(Self { policy, desk })
    }

    /// Reads the password file again. Malformed lines are logged by number, and the good ones work. Blocks.
    ///
    /// # Errors
    /// A file that is missing or unreadable. Then the last reading stays in force.
    pub fn reload(&self) -> Result<(), AuthError> {
        self.desk.as_ref().map_or(Ok(()), |desk| desk.file.reload())
    }

    /// Whether `action` asks for a password.
    pub fn asks_for_password(&self, action: Action) -> bool {
        self.policy.protects(action)
    }

    /// Whether `peer` may do `action`, given the value of its `Authorization` header. Returns who it is, or `None` if
    /// `action` asks for no password; the header is not looked at then, as clients send one with every request.
    pub async fn check(
        &self,
        action: Action,
        authorization: Option<&[u8]>,
        peer: IpAddr,
    ) -> Result<Option<UserName>, Denied> {
        if !self.asks_for_password(action) {
            return Ok(None);
        }
        let desk = self.desk.as_ref().ok_or(Denied::NoPasswordFile)?;
        let credentials = Credentials::from_header(authorization.ok_or(Denied::CredentialsMissing)?)?;
        if desk.knows(&credentials).await {
            return Ok(Some(credentials.user));
        }
        desk.verify(credentials, peer).await.map(Some)
    }
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl Desk {
    fn open(path: PathBuf) -> Result<Self, AuthError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            file: PasswordFile::open(path)?,
            throttle: Throttle::default(),
            queues: (0..QUEUES).map(|_| Arc::new(Semaphore::new(1))).collect(),
            queue_hasher: RandomState::new(),
            hashers: Arc::new(Semaphore::new(cores.div_ceil(2))),
        })
    }

    /// Whether the credentials were found right before, in a file that has not changed since.
    async fn knows(self: &Arc<Self>, credentials: &Credentials) -> bool {
        if !self.file.was_looked_at_lately() {
            let desk = Arc::clone(self);
            // A look that panics leaves the last reading in force.
            let _ = spawn_blocking(move || desk.file.refresh()).await;
        }
        self.file.current().verified.contains(credentials)
    }

    /// Waits for the address' turn, then checks the password.
    async fn verify(self: &Arc<Self>, credentials: Credentials, peer: IpAddr) -> Result<UserName, Denied> {
        self.admit(peer)?;
        let queue = Arc::clone(self.queue_of(peer));
        let turn = queue.acquire_owned().await.expect("nobody closes the queues");
        // While this one waited, the same client may have logged in on another connection, or failed too often.
        if self.file.current().verified.contains(&credentials) {
            return Ok(credentials.user);
        }
        self.admit(peer)?;
        let hasher = Arc::clone(&self.hashers)
            .acquire_owned()
            .await
            .expect("nobody closes the hashers");
        self.throttle.charge(peer, Instant::now());
        let desk = Arc::clone(self);
        // The permits go along, because a client that hangs up does not end the hashing.
        let verdict = spawn_blocking(move || {
            let _held = (turn, hasher);
            desk.verify_now(credentials, peer)
        });
        verdict.await.unwrap_or_else(|error| {
            tracing::error!(%error, "checking a password failed");
            Err(Denied::WrongPassword)
        })
    }

    /// Whether the address has not tried too many wrong passwords.
    fn admit(&self, peer: IpAddr) -> Result<(), Denied> {
        match self.throttle.retry_after(peer, Instant::now()) {
            Some(retry_after) => Err(Denied::Throttled { retry_after }),
            None => Ok(()),
        }
    }

    /// Checks the password against the file as it is now. Blocks.
    fn verify_now(&self, credentials: Credentials, peer: IpAddr) -> Result<UserName, Denied> {
        self.file.refresh();
        let generation = self.file.current();
        let user = &credentials.user;
        if !generation.passwords.verify(user, &credentials.password) {
            // An unknown user name stays out of the log: people type their password there.
            let user = generation.passwords.contains(user).then(|| user.as_str());
            tracing::warn!(%peer, user, "a wrong user name or password");
            return Err(Denied::WrongPassword);
        }
        self.throttle.refund(peer);
        let is_first_login = generation.verified.insert(&credentials);
        if is_first_login && generation.passwords.is_legacy(user) {
            tracing::warn!(%user, "the password is kept as an old, weak hash: renew it with `micropypi passwd {user}`");
        }
        Ok(credentials.user)
    }

    /// The queue of the address; an IPv6 network of 64 bits has one.
    fn queue_of(&self, peer: IpAddr) -> &Arc<Semaphore> {
        let hash = match peer.to_canonical() {
            IpAddr::V4(address) => self.queue_hasher.hash_one(address),
            IpAddr::V6(address) => self.queue_hasher.hash_one(network_of(address)),
        };
        &self.queues[hash as usize % QUEUES]
    }
}
