"""What `yijian doctor` looks at in the dispatcher's rooms: the database, and what is registered. It changes nothing."""
